-- Messages in the quarantine of any service, as it tells of them. One that was released stays a while, for what is told late.
CREATE TABLE quarantined (
    service     text        NOT NULL,
    id          uuid        NOT NULL,
    seq         bigint      NOT NULL, -- of what was told last
    event_type  text        NOT NULL DEFAULT '', -- empty: that it was released was heard first, and no more is known
    source      text,
    event_id    text,
    reason      text        NOT NULL DEFAULT '',
    at          timestamptz NOT NULL,
    size        bigint      NOT NULL DEFAULT 0, -- bytes
    body        text        NOT NULL DEFAULT '', -- its beginning; empty again once it is released
    truncated   boolean     NOT NULL DEFAULT false,
    asked       text        CHECK (asked IN ('replay', 'discard')), -- what somebody wants done, until it is
    asked_by    text,
    asked_at    timestamptz,
    refused_at  timestamptz, -- once more, after it was taken in again
    outcome     text        CHECK (outcome IN ('replayed', 'discarded')),
    released_by text,
    released_at timestamptz,
    PRIMARY KEY (service, id),
    CONSTRAINT quarantined_asked CHECK (asked IS NULL OR (asked_by IS NOT NULL AND asked_at IS NOT NULL)),
    CONSTRAINT quarantined_released CHECK ((outcome IS NULL) = (released_at IS NULL))
);

CREATE INDEX quarantined_by_age ON quarantined (at, service, id) WHERE outcome IS NULL;
CREATE INDEX quarantined_of_service ON quarantined (service, at, id) WHERE outcome IS NULL;
CREATE INDEX quarantined_of_type ON quarantined (event_type, at, service, id) WHERE outcome IS NULL;
CREATE INDEX quarantined_of_both ON quarantined (service, event_type, at, id) WHERE outcome IS NULL;
CREATE INDEX quarantined_released_by_age ON quarantined (released_at) WHERE outcome IS NOT NULL;
