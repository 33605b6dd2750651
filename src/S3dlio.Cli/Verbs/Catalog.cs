using S3dlio.Cli.CommandLine;

namespace S3dlio.Cli.Verbs;

/// <summary>All verbs, in the order in which help shows them. Those without a purpose are asked for by programs.</summary>
static class Catalog
{
    public static readonly Verb[] Verbs =
    [
        Listings.Ls, Listings.Find, Listings.TreeVerb, Listings.Du, Listings.Stat,
        Reads.Cat, Reads.Head, Reads.Tail,
        Copies.Cp, Copies.Mv, Copies.Put, Copies.Get, Copies.Upload, Copies.Download, Streams.Pipe, Removals.Rm,
        Sync.Verb, Checks.Check, Checks.Verify, Checks.Hash,
        Containers.Mb, Containers.Rb, Containers.Presign, Containers.Uploads,
        TensorFiles.Npy, TensorFiles.Verb, Checkpoints.Verb, Logs.Verb, Caches.Verb,
        OpLogs.Verb, Replays.Verb,
        About.Config, Completion.Verb, About.Version,
        Completion.Ask, Reference,
    ];

    /// <summary>Prints the reference that docs/cli.md holds.</summary>
    static Verb Reference => new("__reference", "", static run =>
    {
        run.Terminal.Bytes(System.Text.Encoding.UTF8.GetBytes(Help.Reference(Verbs!, Common.Everywhere)));
        return Task.FromResult(ExitCode.Good);
    });
}
