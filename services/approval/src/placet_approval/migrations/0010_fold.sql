-- Text as it is searched: without case, in every script, whatever the database's own locale is. Of the rules that know
-- letters beyond ASCII, the first that there are: Unicode's (from version 17 on), ICU's, those of the C library.
DO $$
DECLARE
    rules text := (
        SELECT quote_ident(c.collname)
          FROM unnest(ARRAY['pg_c_utf8', 'und-x-icu', 'C.utf8', 'C.UTF-8']) WITH ORDINALITY AS r (name, place)
          JOIN pg_collation AS c ON c.collname = r.name AND c.collnamespace = 'pg_catalog'::regnamespace
         WHERE c.collencoding IN (-1, (SELECT encoding FROM pg_database WHERE datname = current_database()))
         ORDER BY r.place LIMIT 1);
BEGIN
    EXECUTE 'CREATE FUNCTION fold(text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $f$ SELECT lower($1'
        || coalesce(' COLLATE pg_catalog.' || rules, '') || ') COLLATE "C" $f$';
END $$;
