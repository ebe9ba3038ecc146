CREATE OR REPLACE FUNCTION audit_change_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
BEGIN
  IF TG_OP = 'DELETE' AND TG_LEVEL = 'ROW' AND OLD.kind <> 'prune' AND EXISTS
    (SELECT FROM audit_change WHERE id = change AND kind = 'prune') THEN
    RETURN OLD;
  END IF;
  RAISE EXCEPTION 'the audit log is append-only: % on % refused', TG_OP, TG_TABLE_NAME;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION audit_change_refuse() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION audit_change_refuse() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION audit_seal_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION 'the chain of seals is append-only: % on % refused', TG_OP, TG_TABLE_NAME;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION audit_seal_refuse() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION audit_seal_refuse() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  RAISE EXCEPTION '% on % refused: it is not recorded', TG_OP, TG_TABLE_NAME;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_refuse() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_refuse() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_rolerecord_write() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  UPDATE staff_rolerecord SET name = staff_rolerecord.name FROM (SELECT s.id, s.name AS name, coalesce((SELECT string_agg(ct.app_label || '.' || p.codename, ', ' ORDER BY ct.app_label || '.' || p.codename COLLATE "C") FROM auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id JOIN auth_group_permissions m ON m.permission_id = p.id WHERE m.group_id = s.id), '') AS permissions FROM auth_group s WHERE 1 = 1) AS found WHERE found.id = staff_rolerecord.id AND (staff_rolerecord.name IS DISTINCT FROM found.name OR staff_rolerecord.permissions IS DISTINCT FROM found.permissions) AND NOT EXISTS (SELECT 1 FROM staff_rolerecordhistory WHERE staff_rolerecordhistory.object_id = staff_rolerecord.id);
  UPDATE staff_rolerecord SET name = found.name, permissions = found.permissions FROM (SELECT s.id, s.name AS name, coalesce((SELECT string_agg(ct.app_label || '.' || p.codename, ', ' ORDER BY ct.app_label || '.' || p.codename COLLATE "C") FROM auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id JOIN auth_group_permissions m ON m.permission_id = p.id WHERE m.group_id = s.id), '') AS permissions FROM auth_group s WHERE 1 = 1) AS found WHERE found.id = staff_rolerecord.id AND (staff_rolerecord.name IS DISTINCT FROM found.name OR staff_rolerecord.permissions IS DISTINCT FROM found.permissions);
  INSERT INTO staff_rolerecord (id, name, permissions) SELECT s.id, s.name AS name, coalesce((SELECT string_agg(ct.app_label || '.' || p.codename, ', ' ORDER BY ct.app_label || '.' || p.codename COLLATE "C") FROM auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id JOIN auth_group_permissions m ON m.permission_id = p.id WHERE m.group_id = s.id), '') AS permissions FROM auth_group s WHERE 1 = 1 AND NOT EXISTS (SELECT 1 FROM staff_rolerecord WHERE staff_rolerecord.id = s.id);
  DELETE FROM staff_rolerecord WHERE NOT EXISTS (SELECT 1 FROM auth_group s WHERE s.id = staff_rolerecord.id);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_rolerecord_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_rolerecord_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_staffrecord_write() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  UPDATE staff_staffrecord SET reseller_id = found.reseller_id, name = found.name, person = found.person, email = found.email, roles = found.roles, permissions = found.permissions, active = found.active, staff_admin = found.staff_admin, superuser = found.superuser FROM (SELECT s.id, s.reseller_id AS reseller_id, s.username AS name, trim(s.first_name || ' ' || s.last_name) AS person, s.email AS email, coalesce((SELECT string_agg(g.name, ', ' ORDER BY g.name COLLATE "C") FROM auth_group g JOIN staff_user_groups m ON m.group_id = g.id WHERE m.user_id = s.id), '') AS roles, coalesce((SELECT string_agg(ct.app_label || '.' || p.codename, ', ' ORDER BY ct.app_label || '.' || p.codename COLLATE "C") FROM auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id JOIN staff_user_user_permissions m ON m.permission_id = p.id WHERE m.user_id = s.id), '') AS permissions, s.is_active AS active, s.is_staff AS staff_admin, s.is_superuser AS superuser FROM staff_user s WHERE 1 = 1) AS found WHERE found.id = staff_staffrecord.id AND (staff_staffrecord.reseller_id IS DISTINCT FROM found.reseller_id OR staff_staffrecord.name IS DISTINCT FROM found.name OR staff_staffrecord.person IS DISTINCT FROM found.person OR staff_staffrecord.email IS DISTINCT FROM found.email OR staff_staffrecord.roles IS DISTINCT FROM found.roles OR staff_staffrecord.permissions IS DISTINCT FROM found.permissions OR staff_staffrecord.active IS DISTINCT FROM found.active OR staff_staffrecord.staff_admin IS DISTINCT FROM found.staff_admin OR staff_staffrecord.superuser IS DISTINCT FROM found.superuser);
  INSERT INTO staff_staffrecord (id, reseller_id, name, person, email, roles, permissions, active, staff_admin, superuser, password_set_at) SELECT s.id, s.reseller_id AS reseller_id, s.username AS name, trim(s.first_name || ' ' || s.last_name) AS person, s.email AS email, coalesce((SELECT string_agg(g.name, ', ' ORDER BY g.name COLLATE "C") FROM auth_group g JOIN staff_user_groups m ON m.group_id = g.id WHERE m.user_id = s.id), '') AS roles, coalesce((SELECT string_agg(ct.app_label || '.' || p.codename, ', ' ORDER BY ct.app_label || '.' || p.codename COLLATE "C") FROM auth_permission p JOIN django_content_type ct ON ct.id = p.content_type_id JOIN staff_user_user_permissions m ON m.permission_id = p.id WHERE m.user_id = s.id), '') AS permissions, s.is_active AS active, s.is_staff AS staff_admin, s.is_superuser AS superuser, CASE WHEN substr(s.password, 1, 1) IN ('', '!') THEN NULL ELSE clock_timestamp() END FROM staff_user s WHERE 1 = 1 AND NOT EXISTS (SELECT 1 FROM staff_staffrecord WHERE staff_staffrecord.id = s.id);
  DELETE FROM staff_staffrecord WHERE NOT EXISTS (SELECT 1 FROM staff_user s WHERE s.id = staff_staffrecord.id);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_staffrecord_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_staffrecord_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
BEGIN
  IF TG_OP = 'INSERT' AND pg_trigger_depth() > 1 THEN
    RETURN NULL;
  END IF;
  IF TG_OP = 'DELETE' AND EXISTS (SELECT FROM audit_change WHERE id = change AND kind = 'prune') THEN
    RETURN NULL;
  END IF;
  RAISE EXCEPTION 'history is append-only: % on % refused', TG_OP, TG_TABLE_NAME;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION audit_refuse() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION audit_refuse() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION clients_accounthistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO clients_accounthistory ("object_id", "client_id", "name", at, event, change_id)
  SELECT "id", "client_id", "name", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION clients_accounthistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION clients_accounthistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION audit_refuse_recent() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
BEGIN
  IF EXISTS (SELECT FROM rows_deleted WHERE (at <
    (SELECT (data ->> 'horizon')::timestamptz FROM audit_change WHERE id = change)) IS NOT TRUE)
  THEN
    RAISE EXCEPTION 'history is append-only: % of rows that are not to be pruned on % refused',
      TG_OP, TG_TABLE_NAME;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION audit_refuse_recent() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION audit_refuse_recent() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION clients_clienthistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO clients_clienthistory ("object_id", "reseller_id", "name", "closed_at", at, event, change_id)
  SELECT "id", "reseller_id", "name", "closed_at", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION clients_clienthistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION clients_clienthistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION clients_packagehistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO clients_packagehistory ("object_id", "reseller_id", "name", "did_limit", "allowed_tags", "allowed_classes", "hold_days", "archived_at", at, event, change_id)
  SELECT "id", "reseller_id", "name", "did_limit", "allowed_tags", "allowed_classes", "hold_days", "archived_at", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION clients_packagehistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION clients_packagehistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION clients_resellerhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO clients_resellerhistory ("object_id", "name", "hold_days", at, event, change_id)
  SELECT "id", "name", "hold_days", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION clients_resellerhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION clients_resellerhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_clientpackagehistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO dids_clientpackagehistory ("object_id", "client_id", "package_id", "starts_at", "ends_at", "active", at, event, change_id)
  SELECT "id", "client_id", "package_id", "starts_at", "ends_at", "active", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_clientpackagehistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_clientpackagehistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_didhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO dids_didhistory ("object_id", "number", "operator_id", "status", "after_hold", "hold_days", "hold_from", "hold_until", "resumes_as", "tag_set_id", "notes", "account_id", "client_package_id", "reservation_id", at, event, change_id)
  SELECT "id", "number", "operator_id", "status", "after_hold", "hold_days", "hold_from", "hold_until", "resumes_as", "tag_set_id", "notes", "account_id", "client_package_id", "reservation_id", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_didhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_didhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_headstock_count() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO dids_headstock (head, operator_id, merged, reserved, instock, active, blocked, hold, archive)
    SELECT head, operator_id, FALSE, coalesce(sum(n) FILTER (WHERE status = 'reserved'), 0), coalesce(sum(n) FILTER (WHERE status = 'instock'), 0), coalesce(sum(n) FILTER (WHERE status = 'active'), 0), coalesce(sum(n) FILTER (WHERE status = 'blocked'), 0), coalesce(sum(n) FILTER (WHERE status = 'hold'), 0), coalesce(sum(n) FILTER (WHERE status = 'archive'), 0)
    FROM (SELECT left(number, -4) AS head, operator_id, status, count(*) AS n FROM rows_new GROUP BY 1, 2, 3) AS grouped GROUP BY head, operator_id;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO dids_headstock (head, operator_id, merged, reserved, instock, active, blocked, hold, archive)
    SELECT head, operator_id, FALSE, coalesce(sum(n) FILTER (WHERE status = 'reserved'), 0), coalesce(sum(n) FILTER (WHERE status = 'instock'), 0), coalesce(sum(n) FILTER (WHERE status = 'active'), 0), coalesce(sum(n) FILTER (WHERE status = 'blocked'), 0), coalesce(sum(n) FILTER (WHERE status = 'hold'), 0), coalesce(sum(n) FILTER (WHERE status = 'archive'), 0)
    FROM (SELECT left(number, -4) AS head, operator_id, status, -count(*) AS n FROM rows_old GROUP BY 1, 2, 3) AS grouped GROUP BY head, operator_id;
  ELSE
    INSERT INTO dids_headstock (head, operator_id, merged, reserved, instock, active, blocked, hold, archive)
    SELECT head, operator_id, FALSE, coalesce(sum(n) FILTER (WHERE status = 'reserved'), 0), coalesce(sum(n) FILTER (WHERE status = 'instock'), 0), coalesce(sum(n) FILTER (WHERE status = 'active'), 0), coalesce(sum(n) FILTER (WHERE status = 'blocked'), 0), coalesce(sum(n) FILTER (WHERE status = 'hold'), 0), coalesce(sum(n) FILTER (WHERE status = 'archive'), 0)
    FROM (
      SELECT left(number, -4) AS head, operator_id, status, sum(one) AS n FROM (
        SELECT image.* FROM rows_new AS made FULL JOIN rows_old AS past ON made.id = past.id
        CROSS JOIN LATERAL (VALUES
          (made.number, made.operator_id, made.status, 1), (past.number, past.operator_id, past.status, -1)
        ) AS image (number, operator_id, status, one)
        WHERE (made.status IS DISTINCT FROM past.status OR made.operator_id IS DISTINCT FROM past.operator_id
          OR made.number IS DISTINCT FROM past.number
          OR made.status = 'instock' AND made.tag_set_id IS DISTINCT FROM past.tag_set_id)
          AND image.number IS NOT NULL
      ) AS changed GROUP BY 1, 2, 3
    ) AS grouped GROUP BY head, operator_id;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_headstock_count() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_headstock_count() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_mark_delete() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  DELETE FROM dids_mark WHERE did_id IN (SELECT id FROM rows_old);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_mark_delete() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_mark_delete() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_mark_insert() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  PERFORM pg_advisory_xact_lock_shared(-1380313602, 0);
  IF EXISTS (SELECT FROM dids_patterntail) THEN
    INSERT INTO dids_mark (did_id, rule_id, number)
    SELECT DISTINCT ON (did.id) did.id AS did_id, tail.rule_id, did.number FROM rows_new AS did JOIN dids_patterntail AS gate ON gate.tail = right(did.number, 4) CROSS JOIN (SELECT length FROM generate_series(2, 8) AS every(length) WHERE EXISTS (SELECT FROM dids_patterntail AS one WHERE one.length = every.length)) AS used JOIN dids_patterntail AS tail ON tail.tail = right(did.number, used.length) AND tail.length > 0 ORDER BY did.id, tail.length DESC;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_mark_insert() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_mark_insert() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_mark_update() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  DELETE FROM dids_mark WHERE did_id = OLD.id;
  PERFORM pg_advisory_xact_lock_shared(-1380313602, 0);
  IF EXISTS (SELECT FROM dids_patterntail) THEN
    INSERT INTO dids_mark (did_id, rule_id, number)
    SELECT DISTINCT ON (did.id) did.id AS did_id, tail.rule_id, did.number FROM (SELECT NEW.id, NEW.number) AS did JOIN dids_patterntail AS gate ON gate.tail = right(did.number, 4) CROSS JOIN (SELECT length FROM generate_series(2, 8) AS every(length) WHERE EXISTS (SELECT FROM dids_patterntail AS one WHERE one.length = every.length)) AS used JOIN dids_patterntail AS tail ON tail.tail = right(did.number, used.length) AND tail.length > 0 ORDER BY did.id, tail.length DESC;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_mark_update() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_mark_update() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_numberhead_insert() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO dids_numberhead (head, first_id)
  SELECT n.head, n.first_id
  FROM (SELECT left(number, -4) AS head, min(id) AS first_id FROM rows_new GROUP BY 1) AS n
  WHERE NOT EXISTS (SELECT 1 FROM dids_numberhead AS h WHERE h.head = n.head AND h.first_id <= n.first_id);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_numberhead_insert() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_numberhead_insert() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_numberhead_update() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  INSERT INTO dids_numberhead (head, first_id)
  SELECT n.head, n.first_id
  FROM (SELECT left(number, -4) AS head, min(id) AS first_id FROM (SELECT NEW.number, NEW.id) AS row_new GROUP BY 1) AS n
  WHERE NOT EXISTS (SELECT 1 FROM dids_numberhead AS h WHERE h.head = n.head AND h.first_id <= n.first_id);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_numberhead_update() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_numberhead_update() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_release_count() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(
    nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT FROM rows_new WHERE status = 'hold') THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_new AS o LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status = 'hold' ON CONFLICT (number) DO UPDATE SET client_id = excluded.client_id, released_at = excluded.released_at;
  ELSIF TG_OP = 'DELETE' THEN
    IF NOT EXISTS (SELECT FROM rows_old WHERE status IN ('active', 'blocked')) THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_old AS o LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status IN ('active', 'blocked') ON CONFLICT (number) DO UPDATE SET client_id = excluded.client_id, released_at = excluded.released_at;
  ELSE
    IF NOT EXISTS (SELECT FROM rows_old WHERE status IN ('active', 'blocked')) THEN RETURN NULL; END IF;
    INSERT INTO dids_release (number, client_id, released_at)
    SELECT o.number, coalesce(a.client_id, 0), moment
    FROM rows_old AS o JOIN rows_new AS n ON n.id = o.id LEFT JOIN clients_account AS a ON a.id = o.account_id
    WHERE o.status IN ('active', 'blocked') AND (n.status NOT IN ('active', 'blocked') OR n.account_id <> o.account_id) ON CONFLICT (number) DO UPDATE SET client_id = excluded.client_id, released_at = excluded.released_at;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_release_count() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_release_count() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_stock_count() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  IF TG_OP = 'INSERT' THEN
    INSERT INTO dids_stock (operator_id, status, tag_set_id, numbers)
    SELECT operator_id, status, tag_set_id, count(*) FROM rows_new GROUP BY operator_id, status, tag_set_id;
  ELSIF TG_OP = 'DELETE' THEN
    INSERT INTO dids_stock (operator_id, status, tag_set_id, numbers)
    SELECT operator_id, status, tag_set_id, -count(*) FROM rows_old GROUP BY operator_id, status, tag_set_id;
  ELSE
    INSERT INTO dids_stock (operator_id, status, tag_set_id, numbers)
    SELECT operator_id, status, tag_set_id, sum(n) FROM (
      SELECT operator_id, status, tag_set_id, 1 AS n FROM rows_new UNION ALL SELECT operator_id, status, tag_set_id, -1 FROM rows_old
    ) AS both_images GROUP BY operator_id, status, tag_set_id HAVING sum(n) <> 0;
  END IF;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_stock_count() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_stock_count() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION dids_reservationhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO dids_reservationhistory ("object_id", "reseller_id", "client_id", "name", "purpose", "ends_at", "made_at", "made_by_id", "maker", at, event, change_id)
  SELECT "id", "reseller_id", "client_id", "name", "purpose", "ends_at", "made_at", "made_by_id", "maker", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION dids_reservationhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION dids_reservationhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION operators_operatorhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO operators_operatorhistory ("object_id", "reseller_id", "name", "hold_days", at, event, change_id)
  SELECT "id", "reseller_id", "name", "hold_days", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION operators_operatorhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION operators_operatorhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_rolerecordhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO staff_rolerecordhistory ("object_id", "name", "permissions", at, event, change_id)
  SELECT "id", "name", "permissions", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_rolerecordhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_rolerecordhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_staffrecordhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO staff_staffrecordhistory ("object_id", "reseller_id", "name", "person", "email", "roles", "permissions", "active", "staff_admin", "superuser", "password_set_at", at, event, change_id)
  SELECT "id", "reseller_id", "name", "person", "email", "roles", "permissions", "active", "staff_admin", "superuser", "password_set_at", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_staffrecordhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_staffrecordhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_tokenrecord_write() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  UPDATE staff_tokenrecord SET reseller_id = found.reseller_id, name = found.name, owner = found.owner, key = found.key, scopes = found.scopes, only_reseller_id = found.only_reseller_id, networks = found.networks, expires_at = found.expires_at, revoked_at = found.revoked_at FROM (SELECT s.id, (SELECT u.reseller_id FROM staff_user u WHERE u.id = s.owner_id) AS reseller_id, s.name AS name, (SELECT u.username FROM staff_user u WHERE u.id = s.owner_id) AS owner, s.key AS key, s.scopes AS scopes, s.reseller_id AS only_reseller_id, s.networks AS networks, s.expires_at AS expires_at, s.revoked_at AS revoked_at FROM staff_token s WHERE 1 = 1) AS found WHERE found.id = staff_tokenrecord.id AND (staff_tokenrecord.reseller_id IS DISTINCT FROM found.reseller_id OR staff_tokenrecord.name IS DISTINCT FROM found.name OR staff_tokenrecord.owner IS DISTINCT FROM found.owner OR staff_tokenrecord.key IS DISTINCT FROM found.key OR staff_tokenrecord.scopes IS DISTINCT FROM found.scopes OR staff_tokenrecord.only_reseller_id IS DISTINCT FROM found.only_reseller_id OR staff_tokenrecord.networks IS DISTINCT FROM found.networks OR staff_tokenrecord.expires_at IS DISTINCT FROM found.expires_at OR staff_tokenrecord.revoked_at IS DISTINCT FROM found.revoked_at);
  INSERT INTO staff_tokenrecord (id, reseller_id, name, owner, key, scopes, only_reseller_id, networks, expires_at, revoked_at) SELECT s.id, (SELECT u.reseller_id FROM staff_user u WHERE u.id = s.owner_id) AS reseller_id, s.name AS name, (SELECT u.username FROM staff_user u WHERE u.id = s.owner_id) AS owner, s.key AS key, s.scopes AS scopes, s.reseller_id AS only_reseller_id, s.networks AS networks, s.expires_at AS expires_at, s.revoked_at AS revoked_at FROM staff_token s WHERE 1 = 1 AND NOT EXISTS (SELECT 1 FROM staff_tokenrecord WHERE staff_tokenrecord.id = s.id);
  DELETE FROM staff_tokenrecord WHERE NOT EXISTS (SELECT 1 FROM staff_token s WHERE s.id = staff_tokenrecord.id);
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_tokenrecord_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_tokenrecord_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_tokenrecordhistory_write() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
  moment timestamptz := coalesce(nullif(current_setting('audit.at', true), '')::timestamptz, clock_timestamp());
  change bigint := nullif(current_setting('audit.change', true), '')::bigint;
  sign text := CASE TG_OP WHEN 'INSERT' THEN '+' WHEN 'UPDATE' THEN '~' ELSE '-' END;
BEGIN
  INSERT INTO staff_tokenrecordhistory ("object_id", "reseller_id", "name", "owner", "key", "scopes", "only_reseller_id", "networks", "expires_at", "revoked_at", at, event, change_id)
  SELECT "id", "reseller_id", "name", "owner", "key", "scopes", "only_reseller_id", "networks", "expires_at", "revoked_at", moment, sign, change FROM rows_written;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_tokenrecordhistory_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_tokenrecordhistory_write() FROM PUBLIC; END $do$;
CREATE OR REPLACE FUNCTION staff_user_password_write() RETURNS trigger LANGUAGE plpgsql AS $body$
BEGIN
  UPDATE staff_staffrecord SET password_set_at = clock_timestamp() WHERE id = NEW.id;
  RETURN NULL;
END
$body$;
DO $do$ BEGIN EXECUTE format('ALTER FUNCTION staff_user_password_write() SECURITY DEFINER SET search_path = %I, pg_temp', current_schema()); REVOKE ALL ON FUNCTION staff_user_password_write() FROM PUBLIC; END $do$;
DROP TRIGGER IF EXISTS audit_change_no_delete ON audit_change;
CREATE TRIGGER audit_change_no_delete BEFORE DELETE ON audit_change FOR EACH ROW WHEN (OLD.kind = 'prune' OR OLD.touched > 0) EXECUTE FUNCTION audit_change_refuse();
DROP TRIGGER IF EXISTS audit_change_no_truncate ON audit_change;
CREATE TRIGGER audit_change_no_truncate BEFORE TRUNCATE ON audit_change FOR EACH STATEMENT EXECUTE FUNCTION audit_change_refuse();
DROP TRIGGER IF EXISTS audit_change_no_update ON audit_change;
CREATE TRIGGER audit_change_no_update BEFORE UPDATE OF id, at, kind, label, data, actor_kind, actor_id, actor_name, source, address, undo_of_id ON audit_change FOR EACH STATEMENT EXECUTE FUNCTION audit_change_refuse();
DROP TRIGGER IF EXISTS audit_seal_append_only ON audit_seal;
CREATE TRIGGER audit_seal_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit_seal FOR EACH STATEMENT EXECUTE FUNCTION audit_seal_refuse();
DROP TRIGGER IF EXISTS auth_group_no_truncate ON auth_group;
CREATE TRIGGER auth_group_no_truncate BEFORE TRUNCATE ON auth_group FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS auth_group_rolerecord ON auth_group;
CREATE TRIGGER auth_group_rolerecord AFTER INSERT OR UPDATE OF name OR DELETE ON auth_group FOR EACH STATEMENT EXECUTE FUNCTION staff_rolerecord_write();
DROP TRIGGER IF EXISTS auth_group_staffrecord ON auth_group;
CREATE TRIGGER auth_group_staffrecord AFTER UPDATE OF name ON auth_group FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecord_write();
DROP TRIGGER IF EXISTS auth_group_permissions_no_truncate ON auth_group_permissions;
CREATE TRIGGER auth_group_permissions_no_truncate BEFORE TRUNCATE ON auth_group_permissions FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS auth_group_permissions_rolerecord ON auth_group_permissions;
CREATE TRIGGER auth_group_permissions_rolerecord AFTER INSERT OR UPDATE OR DELETE ON auth_group_permissions FOR EACH STATEMENT EXECUTE FUNCTION staff_rolerecord_write();
DROP TRIGGER IF EXISTS clients_account_no_truncate ON clients_account;
CREATE TRIGGER clients_account_no_truncate BEFORE TRUNCATE ON clients_account FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_accounthistory_delete ON clients_account;
CREATE TRIGGER clients_accounthistory_delete AFTER DELETE ON clients_account REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_accounthistory_write();
DROP TRIGGER IF EXISTS clients_accounthistory_insert ON clients_account;
CREATE TRIGGER clients_accounthistory_insert AFTER INSERT ON clients_account REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_accounthistory_write();
DROP TRIGGER IF EXISTS clients_accounthistory_update ON clients_account;
CREATE TRIGGER clients_accounthistory_update AFTER UPDATE ON clients_account REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_accounthistory_write();
DROP TRIGGER IF EXISTS clients_accounthistory_append_only ON clients_accounthistory;
CREATE TRIGGER clients_accounthistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON clients_accounthistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_accounthistory_pruned ON clients_accounthistory;
CREATE TRIGGER clients_accounthistory_pruned AFTER DELETE ON clients_accounthistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS clients_client_no_truncate ON clients_client;
CREATE TRIGGER clients_client_no_truncate BEFORE TRUNCATE ON clients_client FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_clienthistory_delete ON clients_client;
CREATE TRIGGER clients_clienthistory_delete AFTER DELETE ON clients_client REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_clienthistory_write();
DROP TRIGGER IF EXISTS clients_clienthistory_insert ON clients_client;
CREATE TRIGGER clients_clienthistory_insert AFTER INSERT ON clients_client REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_clienthistory_write();
DROP TRIGGER IF EXISTS clients_clienthistory_update ON clients_client;
CREATE TRIGGER clients_clienthistory_update AFTER UPDATE ON clients_client REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_clienthistory_write();
DROP TRIGGER IF EXISTS clients_clienthistory_append_only ON clients_clienthistory;
CREATE TRIGGER clients_clienthistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON clients_clienthistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_clienthistory_pruned ON clients_clienthistory;
CREATE TRIGGER clients_clienthistory_pruned AFTER DELETE ON clients_clienthistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS clients_package_no_truncate ON clients_package;
CREATE TRIGGER clients_package_no_truncate BEFORE TRUNCATE ON clients_package FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_packagehistory_delete ON clients_package;
CREATE TRIGGER clients_packagehistory_delete AFTER DELETE ON clients_package REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_packagehistory_write();
DROP TRIGGER IF EXISTS clients_packagehistory_insert ON clients_package;
CREATE TRIGGER clients_packagehistory_insert AFTER INSERT ON clients_package REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_packagehistory_write();
DROP TRIGGER IF EXISTS clients_packagehistory_update ON clients_package;
CREATE TRIGGER clients_packagehistory_update AFTER UPDATE ON clients_package REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_packagehistory_write();
DROP TRIGGER IF EXISTS clients_packagehistory_append_only ON clients_packagehistory;
CREATE TRIGGER clients_packagehistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON clients_packagehistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_packagehistory_pruned ON clients_packagehistory;
CREATE TRIGGER clients_packagehistory_pruned AFTER DELETE ON clients_packagehistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS clients_reseller_no_truncate ON clients_reseller;
CREATE TRIGGER clients_reseller_no_truncate BEFORE TRUNCATE ON clients_reseller FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_resellerhistory_delete ON clients_reseller;
CREATE TRIGGER clients_resellerhistory_delete AFTER DELETE ON clients_reseller REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_resellerhistory_write();
DROP TRIGGER IF EXISTS clients_resellerhistory_insert ON clients_reseller;
CREATE TRIGGER clients_resellerhistory_insert AFTER INSERT ON clients_reseller REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_resellerhistory_write();
DROP TRIGGER IF EXISTS clients_resellerhistory_update ON clients_reseller;
CREATE TRIGGER clients_resellerhistory_update AFTER UPDATE ON clients_reseller REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION clients_resellerhistory_write();
DROP TRIGGER IF EXISTS clients_resellerhistory_append_only ON clients_resellerhistory;
CREATE TRIGGER clients_resellerhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON clients_resellerhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS clients_resellerhistory_pruned ON clients_resellerhistory;
CREATE TRIGGER clients_resellerhistory_pruned AFTER DELETE ON clients_resellerhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS dids_clientpackage_no_truncate ON dids_clientpackage;
CREATE TRIGGER dids_clientpackage_no_truncate BEFORE TRUNCATE ON dids_clientpackage FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_clientpackagehistory_delete ON dids_clientpackage;
CREATE TRIGGER dids_clientpackagehistory_delete AFTER DELETE ON dids_clientpackage REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_clientpackagehistory_write();
DROP TRIGGER IF EXISTS dids_clientpackagehistory_insert ON dids_clientpackage;
CREATE TRIGGER dids_clientpackagehistory_insert AFTER INSERT ON dids_clientpackage REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_clientpackagehistory_write();
DROP TRIGGER IF EXISTS dids_clientpackagehistory_update ON dids_clientpackage;
CREATE TRIGGER dids_clientpackagehistory_update AFTER UPDATE ON dids_clientpackage REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_clientpackagehistory_write();
DROP TRIGGER IF EXISTS dids_clientpackagehistory_append_only ON dids_clientpackagehistory;
CREATE TRIGGER dids_clientpackagehistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON dids_clientpackagehistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_clientpackagehistory_pruned ON dids_clientpackagehistory;
CREATE TRIGGER dids_clientpackagehistory_pruned AFTER DELETE ON dids_clientpackagehistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS dids_did_no_truncate ON dids_did;
CREATE TRIGGER dids_did_no_truncate BEFORE TRUNCATE ON dids_did FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_didhistory_delete ON dids_did;
CREATE TRIGGER dids_didhistory_delete AFTER DELETE ON dids_did REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_didhistory_write();
DROP TRIGGER IF EXISTS dids_didhistory_insert ON dids_did;
CREATE TRIGGER dids_didhistory_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_didhistory_write();
DROP TRIGGER IF EXISTS dids_didhistory_update ON dids_did;
CREATE TRIGGER dids_didhistory_update AFTER UPDATE ON dids_did REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_didhistory_write();
DROP TRIGGER IF EXISTS dids_headstock_delete ON dids_did;
CREATE TRIGGER dids_headstock_delete AFTER DELETE ON dids_did REFERENCING OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_headstock_count();
DROP TRIGGER IF EXISTS dids_headstock_insert ON dids_did;
CREATE TRIGGER dids_headstock_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT EXECUTE FUNCTION dids_headstock_count();
DROP TRIGGER IF EXISTS dids_headstock_update ON dids_did;
CREATE TRIGGER dids_headstock_update AFTER UPDATE ON dids_did REFERENCING NEW TABLE AS rows_new OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_headstock_count();
DROP TRIGGER IF EXISTS dids_mark_delete ON dids_did;
CREATE TRIGGER dids_mark_delete AFTER DELETE ON dids_did REFERENCING OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_mark_delete();
DROP TRIGGER IF EXISTS dids_mark_insert ON dids_did;
CREATE TRIGGER dids_mark_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT EXECUTE FUNCTION dids_mark_insert();
DROP TRIGGER IF EXISTS dids_mark_update ON dids_did;
CREATE TRIGGER dids_mark_update AFTER UPDATE OF number ON dids_did FOR EACH ROW WHEN (OLD.number <> NEW.number) EXECUTE FUNCTION dids_mark_update();
DROP TRIGGER IF EXISTS dids_numberhead_insert ON dids_did;
CREATE TRIGGER dids_numberhead_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT EXECUTE FUNCTION dids_numberhead_insert();
DROP TRIGGER IF EXISTS dids_numberhead_update ON dids_did;
CREATE TRIGGER dids_numberhead_update AFTER UPDATE OF number ON dids_did FOR EACH ROW WHEN (OLD.number <> NEW.number) EXECUTE FUNCTION dids_numberhead_update();
DROP TRIGGER IF EXISTS dids_release_delete ON dids_did;
CREATE TRIGGER dids_release_delete AFTER DELETE ON dids_did REFERENCING OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_release_count();
DROP TRIGGER IF EXISTS dids_release_insert ON dids_did;
CREATE TRIGGER dids_release_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT EXECUTE FUNCTION dids_release_count();
DROP TRIGGER IF EXISTS dids_release_update ON dids_did;
CREATE TRIGGER dids_release_update AFTER UPDATE ON dids_did REFERENCING NEW TABLE AS rows_new OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_release_count();
DROP TRIGGER IF EXISTS dids_stock_delete ON dids_did;
CREATE TRIGGER dids_stock_delete AFTER DELETE ON dids_did REFERENCING OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_stock_count();
DROP TRIGGER IF EXISTS dids_stock_insert ON dids_did;
CREATE TRIGGER dids_stock_insert AFTER INSERT ON dids_did REFERENCING NEW TABLE AS rows_new FOR EACH STATEMENT EXECUTE FUNCTION dids_stock_count();
DROP TRIGGER IF EXISTS dids_stock_update ON dids_did;
CREATE TRIGGER dids_stock_update AFTER UPDATE ON dids_did REFERENCING NEW TABLE AS rows_new OLD TABLE AS rows_old FOR EACH STATEMENT EXECUTE FUNCTION dids_stock_count();
DROP TRIGGER IF EXISTS dids_didhistory_append_only ON dids_didhistory;
CREATE TRIGGER dids_didhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON dids_didhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_didhistory_pruned ON dids_didhistory;
CREATE TRIGGER dids_didhistory_pruned AFTER DELETE ON dids_didhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS dids_reservation_no_truncate ON dids_reservation;
CREATE TRIGGER dids_reservation_no_truncate BEFORE TRUNCATE ON dids_reservation FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_reservationhistory_delete ON dids_reservation;
CREATE TRIGGER dids_reservationhistory_delete AFTER DELETE ON dids_reservation REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_reservationhistory_write();
DROP TRIGGER IF EXISTS dids_reservationhistory_insert ON dids_reservation;
CREATE TRIGGER dids_reservationhistory_insert AFTER INSERT ON dids_reservation REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_reservationhistory_write();
DROP TRIGGER IF EXISTS dids_reservationhistory_update ON dids_reservation;
CREATE TRIGGER dids_reservationhistory_update AFTER UPDATE ON dids_reservation REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION dids_reservationhistory_write();
DROP TRIGGER IF EXISTS dids_reservationhistory_append_only ON dids_reservationhistory;
CREATE TRIGGER dids_reservationhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON dids_reservationhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS dids_reservationhistory_pruned ON dids_reservationhistory;
CREATE TRIGGER dids_reservationhistory_pruned AFTER DELETE ON dids_reservationhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS operators_operator_no_truncate ON operators_operator;
CREATE TRIGGER operators_operator_no_truncate BEFORE TRUNCATE ON operators_operator FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS operators_operatorhistory_delete ON operators_operator;
CREATE TRIGGER operators_operatorhistory_delete AFTER DELETE ON operators_operator REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION operators_operatorhistory_write();
DROP TRIGGER IF EXISTS operators_operatorhistory_insert ON operators_operator;
CREATE TRIGGER operators_operatorhistory_insert AFTER INSERT ON operators_operator REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION operators_operatorhistory_write();
DROP TRIGGER IF EXISTS operators_operatorhistory_update ON operators_operator;
CREATE TRIGGER operators_operatorhistory_update AFTER UPDATE ON operators_operator REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION operators_operatorhistory_write();
DROP TRIGGER IF EXISTS operators_operatorhistory_append_only ON operators_operatorhistory;
CREATE TRIGGER operators_operatorhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON operators_operatorhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS operators_operatorhistory_pruned ON operators_operatorhistory;
CREATE TRIGGER operators_operatorhistory_pruned AFTER DELETE ON operators_operatorhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS staff_rolerecord_no_truncate ON staff_rolerecord;
CREATE TRIGGER staff_rolerecord_no_truncate BEFORE TRUNCATE ON staff_rolerecord FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_rolerecordhistory_delete ON staff_rolerecord;
CREATE TRIGGER staff_rolerecordhistory_delete AFTER DELETE ON staff_rolerecord REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_rolerecordhistory_write();
DROP TRIGGER IF EXISTS staff_rolerecordhistory_insert ON staff_rolerecord;
CREATE TRIGGER staff_rolerecordhistory_insert AFTER INSERT ON staff_rolerecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_rolerecordhistory_write();
DROP TRIGGER IF EXISTS staff_rolerecordhistory_update ON staff_rolerecord;
CREATE TRIGGER staff_rolerecordhistory_update AFTER UPDATE ON staff_rolerecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_rolerecordhistory_write();
DROP TRIGGER IF EXISTS staff_rolerecordhistory_append_only ON staff_rolerecordhistory;
CREATE TRIGGER staff_rolerecordhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staff_rolerecordhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_rolerecordhistory_pruned ON staff_rolerecordhistory;
CREATE TRIGGER staff_rolerecordhistory_pruned AFTER DELETE ON staff_rolerecordhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS staff_staffrecord_no_truncate ON staff_staffrecord;
CREATE TRIGGER staff_staffrecord_no_truncate BEFORE TRUNCATE ON staff_staffrecord FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_staffrecordhistory_delete ON staff_staffrecord;
CREATE TRIGGER staff_staffrecordhistory_delete AFTER DELETE ON staff_staffrecord REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecordhistory_write();
DROP TRIGGER IF EXISTS staff_staffrecordhistory_insert ON staff_staffrecord;
CREATE TRIGGER staff_staffrecordhistory_insert AFTER INSERT ON staff_staffrecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecordhistory_write();
DROP TRIGGER IF EXISTS staff_staffrecordhistory_update ON staff_staffrecord;
CREATE TRIGGER staff_staffrecordhistory_update AFTER UPDATE ON staff_staffrecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecordhistory_write();
DROP TRIGGER IF EXISTS staff_staffrecordhistory_append_only ON staff_staffrecordhistory;
CREATE TRIGGER staff_staffrecordhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staff_staffrecordhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_staffrecordhistory_pruned ON staff_staffrecordhistory;
CREATE TRIGGER staff_staffrecordhistory_pruned AFTER DELETE ON staff_staffrecordhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS staff_token_no_truncate ON staff_token;
CREATE TRIGGER staff_token_no_truncate BEFORE TRUNCATE ON staff_token FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS staff_token_tokenrecord ON staff_token;
CREATE TRIGGER staff_token_tokenrecord AFTER INSERT OR UPDATE OF name, owner_id, scopes, reseller_id, networks, expires_at, revoked_at OR DELETE ON staff_token FOR EACH STATEMENT EXECUTE FUNCTION staff_tokenrecord_write();
DROP TRIGGER IF EXISTS staff_tokenrecord_no_truncate ON staff_tokenrecord;
CREATE TRIGGER staff_tokenrecord_no_truncate BEFORE TRUNCATE ON staff_tokenrecord FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_tokenrecordhistory_delete ON staff_tokenrecord;
CREATE TRIGGER staff_tokenrecordhistory_delete AFTER DELETE ON staff_tokenrecord REFERENCING OLD TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_tokenrecordhistory_write();
DROP TRIGGER IF EXISTS staff_tokenrecordhistory_insert ON staff_tokenrecord;
CREATE TRIGGER staff_tokenrecordhistory_insert AFTER INSERT ON staff_tokenrecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_tokenrecordhistory_write();
DROP TRIGGER IF EXISTS staff_tokenrecordhistory_update ON staff_tokenrecord;
CREATE TRIGGER staff_tokenrecordhistory_update AFTER UPDATE ON staff_tokenrecord REFERENCING NEW TABLE AS rows_written FOR EACH STATEMENT EXECUTE FUNCTION staff_tokenrecordhistory_write();
DROP TRIGGER IF EXISTS staff_tokenrecordhistory_append_only ON staff_tokenrecordhistory;
CREATE TRIGGER staff_tokenrecordhistory_append_only BEFORE INSERT OR UPDATE OR DELETE OR TRUNCATE ON staff_tokenrecordhistory FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse();
DROP TRIGGER IF EXISTS staff_tokenrecordhistory_pruned ON staff_tokenrecordhistory;
CREATE TRIGGER staff_tokenrecordhistory_pruned AFTER DELETE ON staff_tokenrecordhistory REFERENCING OLD TABLE AS rows_deleted FOR EACH STATEMENT EXECUTE FUNCTION audit_refuse_recent();
DROP TRIGGER IF EXISTS staff_user_no_truncate ON staff_user;
CREATE TRIGGER staff_user_no_truncate BEFORE TRUNCATE ON staff_user FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS staff_user_password ON staff_user;
CREATE TRIGGER staff_user_password AFTER UPDATE OF password ON staff_user FOR EACH ROW WHEN (OLD.password IS DISTINCT FROM NEW.password) EXECUTE FUNCTION staff_user_password_write();
DROP TRIGGER IF EXISTS staff_user_staffrecord ON staff_user;
CREATE TRIGGER staff_user_staffrecord AFTER INSERT OR UPDATE OF username, first_name, last_name, email, reseller_id, is_active, is_staff, is_superuser OR DELETE ON staff_user FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecord_write();
DROP TRIGGER IF EXISTS staff_user_tokenrecord ON staff_user;
CREATE TRIGGER staff_user_tokenrecord AFTER UPDATE OF username, reseller_id ON staff_user FOR EACH STATEMENT EXECUTE FUNCTION staff_tokenrecord_write();
DROP TRIGGER IF EXISTS staff_user_groups_no_truncate ON staff_user_groups;
CREATE TRIGGER staff_user_groups_no_truncate BEFORE TRUNCATE ON staff_user_groups FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS staff_user_groups_staffrecord ON staff_user_groups;
CREATE TRIGGER staff_user_groups_staffrecord AFTER INSERT OR UPDATE OR DELETE ON staff_user_groups FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecord_write();
DROP TRIGGER IF EXISTS staff_user_user_permissions_no_truncate ON staff_user_user_permissions;
CREATE TRIGGER staff_user_user_permissions_no_truncate BEFORE TRUNCATE ON staff_user_user_permissions FOR EACH STATEMENT EXECUTE FUNCTION staff_refuse();
DROP TRIGGER IF EXISTS staff_user_user_permissions_staffrecord ON staff_user_user_permissions;
CREATE TRIGGER staff_user_user_permissions_staffrecord AFTER INSERT OR UPDATE OR DELETE ON staff_user_user_permissions FOR EACH STATEMENT EXECUTE FUNCTION staff_staffrecord_write();
