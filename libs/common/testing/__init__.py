"""What tests of every part share and what a fork of this project can test its own adapters with."""
