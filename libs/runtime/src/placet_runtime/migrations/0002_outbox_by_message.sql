-- A row holds all events of one type that one transaction tells a subscriber: encoded, with commas between them.
ALTER TABLE outbox RENAME COLUMN event_id TO id;
ALTER TABLE outbox RENAME COLUMN body TO events;
