-- The event log in one SQLite file. Applied as one transaction when the file is new. `user_version` is the schema's version.
-- The file is cut at its semicolons, so comments have none.

-- One row per partition of every stream. `timestamp_ms` is that of the newest record, so that times never fall.
CREATE TABLE partitions (
    id INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    partition INTEGER NOT NULL,
    begin_offset INTEGER NOT NULL DEFAULT 0,
    end_offset INTEGER NOT NULL DEFAULT 0,
    timestamp_ms INTEGER NOT NULL DEFAULT 0,
    UNIQUE (stream, partition)
);

-- `place` is the partition's id times 2^40 plus the offset: one B-tree without a second index, and a partition is one range of it.
-- `headers` is a MessagePack array of pairs of name and bytes.
CREATE TABLE records (
    place INTEGER PRIMARY KEY,
    timestamp_ms INTEGER NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    headers BLOB NOT NULL
);

-- Where the newest record of each key of a compacted stream stands.
CREATE TABLE newest (
    partition_id INTEGER NOT NULL,
    key TEXT NOT NULL,
    place INTEGER NOT NULL,
    PRIMARY KEY (partition_id, key)
) WITHOUT ROWID;
