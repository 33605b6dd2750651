using System.Runtime.CompilerServices;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Transfers;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>sync</c>: makes one tree like another.</summary>
static class Sync
{
    const int BatchLength = 1000;

    public static readonly Verb Verb = new("sync", "copy to a tree what is missing or different there", RunAsync)
    {
        Positionals = [new("SOURCE", "a folder, prefix or bucket"), new("DESTINATION", "the tree that becomes like it")],
        Options =
        [
            Common.JobsOption, Common.DryRun, Common.BandwidthLimit,
            Option.Flag("delete", '\0', "delete at the destination what the source does not have"),
            Option.Flag("checksum", '\0', "judge by checksum alone, taken from the bytes where none is recorded, and always of files"),
            Option.Flag("size-only", '\0', "judge by size alone"),
            Option.Flag("size-time", '\0', "judge by size and time alone: no request for each object"),
            Option.Flag("durable", '\0', "have each object on the device before it counts as written"),
            .. Common.Filters,
        ],
        Details = """
            Objects of the same size are compared by checksum where both sides have one recorded, else by time: one that is not older than
            the source's is
            the same. A file that was written since the destination's object is read for its checksum. Each object appears whole or not at
            all, so a run
            that was interrupted is started again and goes on where it was. With --delete nothing is deleted before everything is copied,
            nor when a
            listing or a copy failed, nor when the source holds nothing; what the filters leave out is not deleted either.
            """,
        Examples = ["s3dlio sync ./data s3://bucket/data", "s3dlio sync --delete -n s3://bucket/data ./data"],
    };

    static async Task<int> RunAsync(Invocation run)
    {
        var source = run.Stores.Open(run.Arguments[0], wildcards: false);
        var destination = run.Stores.Open(run.Arguments[1], wildcards: false);
        Copies.RequireApart(source, destination);
        if (!source.IsFolder && await Tree.LookAsync(source, run.Cancel) is not null
            && !await source.Store.IsDirectoryAsync(source.Key, run.Cancel) && !await Tree.IsThereAsync(source, run.Cancel))
            throw new StoreException(ErrorKind.NotDirectory, source.ToString(), "this is an object; sync takes folders, cp objects");
        var filter = Common.Filter(run);
        using var copier = new Copier(run, moves: false)
        {
            Judgement = Copies.Judge(run, Judgement.Recorded),
            DryRun = run.Has("dry-run"),
            Options = Copies.WriteOptions(run),
        };
        var extra = new List<Found>();
        bool any = false;
        async IAsyncEnumerable<CopyItem> Items([EnumeratorCancellation] CancellationToken cancel = default)
        {
            await foreach (var (left, right) in Join.SideBySideAsync(Tree.BelowAsync(source, cancel), Tree.BelowAsync(destination, cancel),
                cancel))
            {
                any |= left is not null;
                if (left is { } found && filter.Passes(found.Relative, found.Meta))
                    yield return new CopyItem(found, destination, destination.Prefix + found.Relative, right?.Meta);
                else if (left is null && right is { } more && run.Has("delete") && filter.Passes(more.Relative, more.Meta))
                    extra.Add(more);
            }
        }
        bool whole = await copier.RunAsync(Items(run.Cancel), Math.Max(source.Store.RequestsAtOnce, destination.Store.RequestsAtOnce));
        if (whole && !any && !await source.Store.IsDirectoryAsync(source.Key.TrimEnd('/'), run.Cancel))
            throw Tree.NotFound(source);
        long deleted = 0;
        if (extra.Count > 0)
        {
            if (!whole || run.Terminal.Failures > 0)
                run.Terminal.Error($"nothing was deleted, because something failed: {extra.Count} objects of {destination} are not at "
                    + $"the source", "Skipped");
            else if (!any)
                throw new StoreException(ErrorKind.Precondition, source.ToString(),
                    $"the source holds nothing, so everything below {destination} would be deleted; if that is meant, use rm -r");
            else
            {
                foreach (var batch in extra.Chunk(BatchLength))
                    deleted += (await Removals.DeleteAsync(run, destination, batch)).Count;
            }
        }
        copier.Summarize(deleted);
        return run.Outcome;
    }
}
