DROP TABLE experiment_collisions;
DROP TABLE experiment_turns;
DROP TABLE experiment_slices;
