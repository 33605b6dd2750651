using S3dlio.Cli.CommandLine;

namespace S3dlio.Cli.Verbs;

/// <summary>All verbs, in the order in which help shows them. Those without a purpose are asked for by programs.</summary>
static class Catalog
{
    static readonly Verb[] Verbs =
    [
        Listings.Ls, Listings.Find, Listings.TreeVerb, Listings.Du, Listings.Stat,
        Reads.Cat, Reads.Head, Reads.Tail,
        Copies.Cp, Copies.Mv, Copies.Put, Copies.Get, Copies.Upload, Copies.Download, Streams.Pipe, Removals.Rm,
        Sync.Verb, Checks.Check, Checks.Verify, Checks.Hash,
        Containers.Mb, Containers.Rb, Containers.Presign, Containers.Uploads,
        TensorFiles.Npy, TensorFiles.Verb, Checkpoints.Verb, Logs.Verb, Tables.Verb, DatasetVerbs.Verb, Caches.Verb,
        OpLogs.Verb, Replays.Verb, BenchVerbs.Verb,
        About.Config, Completion.Verb, About.Version,
        Completion.Ask, Reference,
    ];

    public static readonly CommandSet Commands = new("s3dlio", """
        Moves and checks objects between files, S3, Azure and memory, with the engine of the Python package.
        An address is a path, file:///path, direct:///path, s3://bucket/key, s3://host:port/bucket/key or
        az://account/container/key. Wildcards: * ? [...] within a name, ** across.
        """, Verbs, Common.Everywhere);

    /// <summary>Prints the reference that docs/cli.md holds.</summary>
    static Verb Reference => new("__reference", "", static run =>
    {
        run.Terminal.Bytes(System.Text.Encoding.UTF8.GetBytes(Help.Reference(Commands!)));
        return Task.FromResult(ExitCode.Good);
    });
}
