"""What a unit looks for: receptive fields, strongest patches, preferred inputs, sparse codes, probes."""
