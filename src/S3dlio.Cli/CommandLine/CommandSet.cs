namespace S3dlio.Cli.CommandLine;

/// <summary>What the program answers to under one of its names.</summary>
/// <param name="Name">The name.</param>
/// <param name="Purpose">What the help says first.</param>
/// <param name="Verbs">In the order of the help.</param>
/// <param name="Everywhere">Options of all verbs.</param>
sealed record CommandSet(string Name, string Purpose, Verb[] Verbs, Option[] Everywhere);
