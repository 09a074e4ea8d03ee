"""A split changed or put together: some of its photos, other class numbers, further inputs."""
