"""What a sweep found, for people: from files and values, without a study or a server."""
