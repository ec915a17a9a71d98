"""The leukocyte detector: network, samples and training job."""
