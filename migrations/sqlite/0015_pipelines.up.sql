-- Id of the pipeline of metrics that a deployment is about, where its experiment named one.
ALTER TABLE deployments ADD COLUMN pipeline TEXT;
