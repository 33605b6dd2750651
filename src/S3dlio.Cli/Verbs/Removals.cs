using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>rm</c>.</summary>
static class Removals
{
    const int BatchLength = 1000;

    public static readonly Verb Rm = new("rm", "delete objects", RunAsync)
    {
        Positionals = [new("PATH", "what to delete", Many: true)],
        Options = [Common.Recursive, Common.DryRun, Option.Flag("force", 'f', "nothing to delete is no error"), .. Common.Filters],
        Aliases = ["delete"],
        Details = """
            Objects are deleted, or with --dry-run shown, while more are listed: memory does not grow with their number. When a listing
            fails, what was found before is deleted, the summary says how much that was, and the exit code is 1; run it again for the rest.
            """,
        Examples = ["s3dlio rm -r s3://bucket/old", "s3dlio rm -n -r s3://bucket/runs --include '*.tmp'"],
    };

    static async Task<int> RunAsync(Invocation run)
    {
        var filter = Common.Filter(run);
        long deleted = 0, bytes = 0;
        bool whole = true;
        foreach (string name in run.Arguments)
        {
            var place = run.Stores.Open(name);
            if (place.IsLocal && place.Key.Trim('/').Length == 0 && place.Glob is null)
                throw new UsageException("'/' is not deleted");
            try
            {
                await DeleteFoundAsync(run, place, Tree.FindAsync(place, run.Has("recursive"), filter, run.Cancel), batch =>
                    (deleted, bytes) = (deleted + batch.Count, bytes + batch.Bytes));
                if (run.Has("recursive") && place.Glob is null && !run.Has("dry-run"))
                    await place.Store.RemoveDirectoryAsync(place.Key.TrimEnd('/'), run.Cancel);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.NotFound && run.Has("force"))
            {
                // asked for
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
                whole &= error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory;
            }
        }
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("summary", "delete");
                json.WriteNumber("objects", deleted);
                json.WriteNumber("bytes", bytes);
                json.WriteNumber("failed", run.Terminal.Failures);
                json.WriteBoolean("whole", whole);
            });
        }
        else
        {
            run.Terminal.Note($"{(run.Has("dry-run") ? "would delete" : "deleted")} {deleted} object{(deleted == 1 ? "" : "s")}, "
                + $"{Quantity.Show(bytes)}{(run.Terminal.Failures > 0 ? $", {run.Terminal.Failures} failed" : "")}"
                + (whole ? "" : "; not everything could be listed or tried, run it again for the rest"));
        }
        return run.Outcome;
    }

    /// <summary>Deletes what is found, a batch while the next is looked for.</summary>
    /// <param name="run">What was asked for.</param>
    /// <param name="place">Where.</param>
    /// <param name="objects">What is to go.</param>
    /// <param name="done">Called for each batch, one at a time, also of those before a failure.</param>
    static async Task DeleteFoundAsync(
        Invocation run, Place place, IAsyncEnumerable<Found> objects, Action<(long Count, long Bytes)> done)
    {
        var (batch, pending) = (new List<Found>(BatchLength), Task.CompletedTask);
        async Task SendAsync(List<Found> full) => done(await DeleteAsync(run, place, full));
        try
        {
            await foreach (var found in objects)
            {
                batch.Add(found);
                if (batch.Count < BatchLength)
                    continue;
                await pending;
                pending = SendAsync(batch);
                batch = new List<Found>(BatchLength);
            }
        }
        finally
        {
            // also after a listing that failed: what it had found was asked for, and the summary counts all that went
            await pending;
            if (batch.Count > 0 && !run.Cancel.IsCancellationRequested)
                await SendAsync(batch);
        }
    }

    /// <summary>Deletes, or shows what it would.</summary>
    public static async Task<(long Count, long Bytes)> DeleteAsync(Invocation run, Place place, IReadOnlyList<Found> batch)
    {
        var failed = new Dictionary<string, StoreException>(StringComparer.Ordinal);
        if (!run.Has("dry-run"))
        {
            foreach (var failure in await place.Store.DeleteAsync([.. batch.Select(static found => found.Meta.Key)], run.Cancel))
                failed[failure.Key] = failure.Error;
        }
        long count = 0, bytes = 0;
        foreach (var found in batch)
        {
            if (failed.TryGetValue(found.Meta.Key, out var error))
            {
                run.Terminal.Failure(error);
                continue;
            }
            count++;
            bytes += found.Meta.Size;
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("action", "delete");
                    JsonText.Address(json, "uri", found.Address);
                    json.WriteNumber("size", found.Meta.Size);
                    if (run.Has("dry-run"))
                        json.WriteBoolean("dry_run", true);
                });
            }
            else if (run.Has("dry-run") || run.Terminal.Verbose)
            {
                run.Terminal.Line($"{(run.Has("dry-run") ? "would " : "")}delete {Quoted.Name(found.Address)}");
            }
        }
        return (count, bytes);
    }
}
