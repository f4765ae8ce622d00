-- Deliveries that ended long ago are deleted. This is what remains of one, so that a repeat of its cause sends nothing
-- again. The mark comes first, the delivery goes a while later: see placet_runtime.retention.
CREATE TABLE deleted_deliveries (
    id        uuid        PRIMARY KEY,
    marked_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX deliveries_ended ON deliveries (created_at) WHERE due_at IS NULL;
