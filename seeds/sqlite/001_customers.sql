-- A few customers to try things with. A second run changes nothing.
INSERT INTO customers (email, name) VALUES
    ('ada@example.com', 'Ada Ashby'),
    ('bruno@example.com', 'Bruno Berg'),
    ('chidi@example.com', 'Chidi Cole')
ON CONFLICT (email) DO NOTHING;
