-- How long steps took, and which attempt did them: others are told of it. Null: one that was stored before.
ALTER TABLE steps
    ADD COLUMN attempt    integer     NOT NULL DEFAULT 1,
    ADD COLUMN started_at timestamptz; -- it ended when it was stored
