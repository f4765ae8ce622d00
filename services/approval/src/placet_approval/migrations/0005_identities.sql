-- People. They are never deleted, and a handle is never given twice, so that history stays clear.
CREATE TABLE users (
    id          uuid        PRIMARY KEY,
    handle      text        NOT NULL,
    name        text        NOT NULL,
    roles       text[]      NOT NULL CHECK (roles <@ ARRAY['admin', 'approver', 'starter', 'viewer']),
    created_at  timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz,
    CONSTRAINT users_handle UNIQUE (handle)
);

-- Every string by which somebody is known, each of one person: user:<handle>, email:<address>, slack:<team>/<user>,
-- oidc:<issuer>#<subject>, and aliases as they are. Keys are not here: they have owners.
CREATE TABLE identities (
    actor     text        PRIMARY KEY,
    kind      text        NOT NULL CHECK (kind IN ('user', 'email', 'slack', 'oidc', 'alias')),
    user_id   uuid        NOT NULL REFERENCES users,
    linked_at timestamptz NOT NULL DEFAULT now(),
    CONSTRAINT identities_say_what_they_are CHECK (kind = 'alias' OR starts_with(actor, kind || ':'))
);

CREATE INDEX identities_by_user ON identities (user_id, kind);

CREATE TABLE groups (
    name       text        PRIMARY KEY,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE group_members (
    group_name text NOT NULL REFERENCES groups ON DELETE CASCADE,
    user_id    uuid NOT NULL REFERENCES users,
    PRIMARY KEY (group_name, user_id)
);

CREATE INDEX group_members_by_user ON group_members (user_id);

ALTER TABLE api_keys
    ADD COLUMN owner        uuid REFERENCES users, -- none: a program's
    ADD COLUMN expires_at   timestamptz,
    ADD COLUMN last_used_at timestamptz; -- to the minute

-- Browsers that somebody is signed in with. A dump of these two tables lets nobody in: only hashes are stored.
CREATE TABLE sessions (
    id         uuid        PRIMARY KEY,
    hash       bytea       NOT NULL,
    user_id    uuid        NOT NULL REFERENCES users,
    method     text        NOT NULL CHECK (method IN ('link', 'oidc')),
    agent      text        NOT NULL, -- what the browser calls itself
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at    timestamptz NOT NULL DEFAULT now(), -- to the minute
    expires_at timestamptz NOT NULL,
    CONSTRAINT sessions_hash UNIQUE (hash)
);

CREATE INDEX sessions_by_user ON sessions (user_id, created_at);
CREATE INDEX sessions_by_end ON sessions (expires_at);

CREATE TABLE login_links (
    hash       bytea       PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users,
    expires_at timestamptz NOT NULL
);

CREATE INDEX login_links_by_end ON login_links (expires_at);
