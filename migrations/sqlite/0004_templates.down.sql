DROP TABLE config_template_versions;
DROP TABLE config_templates;
