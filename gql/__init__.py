"""The face: GraphQL, HTTP and the command line."""
