-- What lies in quarantine, and what has left it, is told to the approval service: see `placet_runtime.telling`.
CREATE SEQUENCE quarantine_seq;

ALTER TABLE quarantine
    ADD COLUMN seq      bigint, -- as which it was told; null: it is to be
    ADD COLUMN retry_by text;   -- who wants it taken in again

CREATE INDEX quarantine_untold ON quarantine (created_at) WHERE seq IS NULL;

-- Messages that have left quarantine, until that is told.
CREATE TABLE quarantine_released (
    id      uuid        PRIMARY KEY,
    outcome text        NOT NULL CHECK (outcome IN ('replayed', 'discarded')),
    by      text,
    at      timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX quarantine_released_by_age ON quarantine_released (at);
