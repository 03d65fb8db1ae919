"""A corpus through the pipeline: jobs, workers, batches, cache, journal, shards, run folders."""
