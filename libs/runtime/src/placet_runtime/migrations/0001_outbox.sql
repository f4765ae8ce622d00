-- Events that were decided here and are not yet known to be in a subscriber's database. One row a subscriber;
-- it is deleted when that subscriber acknowledges that it has committed the event.
CREATE TABLE outbox (
    event_id     uuid        NOT NULL,
    subscriber   text        NOT NULL,
    type         text        NOT NULL,
    body         text        NOT NULL,
    sends        integer     NOT NULL DEFAULT 1,
    created_at   timestamptz NOT NULL DEFAULT now(),
    next_send_at timestamptz NOT NULL,
    PRIMARY KEY (event_id, subscriber)
);

CREATE INDEX outbox_due ON outbox (next_send_at);

-- Messages that could not be read, or that a handler refused for good. Never requeued, never lost.
CREATE TABLE quarantine (
    id         uuid        PRIMARY KEY,
    type       text        NOT NULL, -- of the subscription, or 'dead' for what was delivered too often
    reason     text        NOT NULL,
    body       bytea       NOT NULL,
    retry      boolean     NOT NULL DEFAULT false, -- the service is to take it in again
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX quarantine_by_age ON quarantine (created_at);
CREATE INDEX quarantine_to_retry ON quarantine (created_at) WHERE retry;
