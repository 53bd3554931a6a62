"""From documents to an index on the disk, and back: passages, manifest, vectors, words, builds that survive a kill."""
