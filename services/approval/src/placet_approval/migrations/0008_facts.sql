-- What runs did: steps that are behind them, and passes that raised and were tried again. Both go with their run.
CREATE TABLE run_steps (
    run_id     text        NOT NULL,
    name       text        NOT NULL,
    attempt    integer     NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at   timestamptz NOT NULL,
    PRIMARY KEY (run_id, name)
);

CREATE TABLE run_retries (
    run_id  text        NOT NULL,
    attempt integer     NOT NULL, -- that raised
    at      timestamptz NOT NULL,
    error   json        NOT NULL,
    PRIMARY KEY (run_id, attempt)
);

-- Every version of a workflow that an executor has ever served.
CREATE TABLE workflows (
    name          text        NOT NULL,
    version       integer     NOT NULL,
    description   text,
    input_schema  json,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    seen_at       timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, version)
);

-- Executors, and what they serve: a list of objects with name and version, empty for one that is gone.
CREATE TABLE workers (
    id       text        PRIMARY KEY,
    serves   json        NOT NULL,
    told_at  timestamptz NOT NULL, -- by its own clock: the latest counts
    heard_at timestamptz NOT NULL DEFAULT now()
);
