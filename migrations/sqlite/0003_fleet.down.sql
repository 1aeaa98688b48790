DROP TABLE agents;
DROP TABLE enrollment_tokens;
