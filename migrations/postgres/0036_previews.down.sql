DROP TABLE preview_agents;
DROP TABLE previews;
