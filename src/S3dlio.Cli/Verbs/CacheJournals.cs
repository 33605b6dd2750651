using System.Globalization;
using S3dlio.Cache;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary>The verbs of <c>cache</c> for writes that wait.</summary>
static class CacheJournals
{
    public static async Task<int> DrainAsync(Invocation run)
    {
        string directory = Caches.Directory(run);
        TimeSpan? timeout = run.Text("timeout") is not { } text ? null
            : double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
                && seconds is >= 0 and <= 1_000_000
                ? TimeSpan.FromSeconds(seconds)
                : throw new UsageException($"cache drain: --timeout is a number of seconds, found '{text}'");
        long sent = 0;
        var left = new List<WaitingWrite>();
        foreach (var share in Shares(run, directory))
        {
            if (share.Writes.Count == 0)
                continue;
            var rest = await Open(run, share, directory).FlushAsync("", timeout, null, run.Cancel);
            sent += Math.Max(0, share.Writes.Count - rest.Count);
            left.AddRange(rest.Writes);
        }
        foreach (var write in left)
            Show(run, write);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("sent", sent);
                json.WriteNumber("left", left.Count);
                json.WriteNumber("parked", left.Count(static one => one.IsParked));
            });
        }
        else
        {
            run.Terminal.Note($"{sent} writes sent, {left.Count} left, {left.Count(static one => one.IsParked)} of them parked");
        }
        return left.Count > 0 ? ExitCode.Differences : run.Outcome;
    }

    public static async Task<int> ParkedAsync(Invocation run)
    {
        string directory = Caches.Directory(run);
        if (run.Has("retry") && run.Has("discard"))
            throw new UsageException("cache parked: --retry or --discard, one of them");
        bool isChanged = run.Has("retry") || run.Has("discard");
        int parked = 0;
        foreach (var share in Shares(run, directory))
        {
            var writes = share.Writes.Where(static one => one.IsParked).ToArray();
            foreach (var write in writes)
                Show(run, write);
            if (!isChanged || writes.Length == 0)
            {
                parked += writes.Length;
                continue;
            }
            var store = Open(run, share, directory);
            await store.UnparkAsync("", run.Has("discard"));
            parked += (await store.FlushAsync("", null, null, run.Cancel)).Parked;
        }
        if (run.Terminal.Json)
            run.Terminal.Object(json => json.WriteNumber("parked", parked));
        else
            run.Terminal.Note($"{parked} writes are parked");
        return parked > 0 ? ExitCode.Differences : run.Outcome;
    }

    /// <summary>The places of all journals but those of the memory of processes, which went with them.</summary>
    static IEnumerable<JournalShare> Shares(Invocation run, string directory) =>
        JournalSurvey.Find(directory, run.Cancel).Where(static one => !one.Root.StartsWith("memory://", StringComparison.Ordinal));

    static HybridStore Open(Invocation run, JournalShare share, string directory)
    {
        bool isLocal = share.Root.StartsWith("file://", StringComparison.Ordinal)
            || share.Root.StartsWith("direct://", StringComparison.Ordinal);
        var store = isLocal
            ? StoreFactory.Open(StoreUri.Parse(share.Root), StoreOptions.Default)
            : run.Stores.Open(share.Root, wildcards: false).Store;
        return JournalSurvey.IsOf(share, store) ? new HybridStore(store, new CacheOptions { Directory = directory, Mode = CacheMode.Back })
            : throw new StoreException(ErrorKind.InvalidArgument, share.Root,
                "writes wait for it at another endpoint than that of the options; give the options with which they were written"
                + " (-o endpoint_url=…)");
    }

    static void Show(Invocation run, WaitingWrite write)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "uri", write.Uri);
                json.WriteString("kind", write.IsDelete ? "delete" : "put");
                json.WriteNumber("size", write.Size);
                json.WriteBoolean("parked", write.IsParked);
                if (write.Error is { } error)
                    json.WriteString("error", Quoted.Text(error.Detail));
            });
            return;
        }
        run.Terminal.Line($"{(write.IsParked ? "parked" : "waiting")}: {Quoted.Name(write.Uri)}: "
            + (write.IsDelete ? "to be deleted" : Quantity.Show(write.Size))
            + (write.Error is { } why ? $": {Quoted.Text(why.Detail)}" : ""));
    }
}
