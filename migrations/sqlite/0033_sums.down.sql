DROP TRIGGER experiment_windows_are_summed;
DROP TABLE experiment_sums;
