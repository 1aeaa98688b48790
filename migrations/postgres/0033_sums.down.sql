DROP TRIGGER experiment_windows_are_summed ON experiment_windows;
DROP FUNCTION sum_experiment_window();
DROP TABLE experiment_sums;
