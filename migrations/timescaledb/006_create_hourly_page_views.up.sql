-- Page views by the hour. A plain view is computed when it is read; once that takes too long, a continuous aggregate
-- keeps the result (the template `continuous-aggregate`).
SET LOCAL lock_timeout = '3s';

CREATE VIEW page_views_hourly AS
SELECT
    time_bucket(INTERVAL '1 hour', ts) AS bucket,
    path,
    count(*) AS views,
    count(DISTINCT visitor_id) AS visitors,
    avg(load_ms) AS average_load_ms
FROM page_views
GROUP BY bucket, path;
