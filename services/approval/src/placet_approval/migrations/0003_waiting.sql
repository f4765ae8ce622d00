-- Runs that no executor is known to have begun with: how many there are decides whether more starts are let in.
CREATE INDEX runs_waiting ON runs (created_at) WHERE status = 'ready' AND attempt = 1 AND NOT parked;
