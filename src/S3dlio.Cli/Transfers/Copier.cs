using System.Runtime.CompilerServices;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Transfers;

/// <summary>An object to be copied.</summary>
/// <param name="Source">From.</param>
/// <param name="To">The store it goes to.</param>
/// <param name="Key">Its key there.</param>
/// <param name="There">What lies there already, where that is known.</param>
readonly record struct CopyItem(Found Source, Place To, string Key, ObjectMeta? There);

/// <summary>Copies or moves objects, says so, and counts.</summary>
sealed class Copier(Invocation run, bool moves) : IDisposable
{
    /// <summary>Memory for what is under way.</summary>
    const long Memory = 768 << 20;

    readonly MemoryBudget _budget = new(Memory);
    long _copied, _skipped, _bytes;

    /// <summary>How an object that is there already is judged; null: it is written anew.</summary>
    public Judgement? Judgement { get; init; }

    /// <summary>Nothing that exists is replaced.</summary>
    public bool NoClobber { get; init; }

    public bool DryRun { get; init; }

    public PutOptions Options { get; init; } = PutOptions.Default;

    public long Skipped => _skipped;

    public long Copied => _copied;

    public long Bytes => _bytes;

    string Action => moves ? "move" : "copy";

    /// <returns>Whether all sources could be listed.</returns>
    public Task<bool> RunAsync(IAsyncEnumerable<CopyItem> items, int requests)
    {
        run.Terminal.Progress.Start();
        return run.EachAsync(requests, CountedAsync(items, run.Cancel), CopyAsync);
    }

    async IAsyncEnumerable<CopyItem> CountedAsync(IAsyncEnumerable<CopyItem> items, [EnumeratorCancellation] CancellationToken cancel)
    {
        await foreach (var item in items.WithCancellation(cancel))
        {
            run.Terminal.Progress.Expect(item.Source.Meta.Size);
            yield return item;
        }
    }

    async ValueTask CopyAsync(CopyItem item, CancellationToken cancel)
    {
        var (from, source) = (item.Source.Place.Store, item.Source.Meta);
        var to = item.To.Store;
        CheckName(item);
        if (item.There is { } there)
        {
            if (NoClobber || (Judgement is { } how && await Comparison.AreSameAsync(how, from, source, to, there, cancel)))
            {
                Skip(item, NoClobber ? "exists" : "same");
                return;
            }
        }
        if (!DryRun)
        {
            long share = await _budget.TakeAsync(source.Size, cancel);
            try
            {
                var options = Options with { Overwrite = !NoClobber };
                var progress = run.Terminal.Progress;
                _ = moves
                    ? await ObjectCopy.RenameAsync(from, source.Key, to, item.Key, options, progress, cancel)
                    : await ObjectCopy.CopyAsync(from, source.Key, to, item.Key, options, progress, cancel);
            }
            catch (StoreException error) when (NoClobber && error.Kind == ErrorKind.AlreadyExists)
            {
                Skip(item, "exists");
                return;
            }
            finally
            {
                _budget.Give(share);
            }
        }
        Interlocked.Increment(ref _copied);
        Interlocked.Add(ref _bytes, source.Size);
        run.Terminal.Progress.Done();
        Say(item, Action, null);
    }

    void Skip(CopyItem item, string reason)
    {
        Interlocked.Increment(ref _skipped);
        run.Terminal.Progress.Done();
        run.Terminal.Progress.Report(item.Source.Meta.Size);
        if (run.Terminal.Verbose)
            Say(item, "skip", reason);
    }

    void Say(CopyItem item, string action, string? reason)
    {
        string source = item.Source.Address, target = item.To.Address(item.Key);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("action", action);
                JsonText.Address(json, "source", source);
                JsonText.Address(json, "destination", target);
                json.WriteNumber("size", item.Source.Meta.Size);
                if (reason is not null)
                    json.WriteString("reason", reason);
                if (DryRun)
                    json.WriteBoolean("dry_run", true);
            });
        }
        else if (DryRun || run.Terminal.Verbose)
        {
            run.Terminal.Line($"{(DryRun && reason is null ? "would " : "")}{action} {Quoted.Name(source)} -> "
                + $"{Quoted.Name(target)}{(reason is null ? "" : $" ({reason})")}");
        }
    }

    /// <summary>A name that a local file system folds into another, or that leads out of the destination, is refused.</summary>
    static void CheckName(CopyItem item)
    {
        if (!item.To.IsLocal)
            return;
        string below = item.Key[(item.To.Prefix.Length <= item.Key.Length && item.Key.StartsWith(item.To.Prefix, StringComparison.Ordinal)
            ? item.To.Prefix.Length : 0)..];
        foreach (var range in below.AsSpan().Split('/'))
        {
            if (below.AsSpan()[range] is "" or "." or "..")
                throw new StoreException(ErrorKind.InvalidArgument, item.Source.Address,
                    "the key has an empty name, '.' or '..' in it, which as a file would be another one or leave the destination; copy "
                        + "it to a name of its own");
        }
    }

    /// <summary>What came of it.</summary>
    public void Summarize(long deleted = 0)
    {
        var terminal = run.Terminal;
        var elapsed = terminal.Progress.Elapsed;
        terminal.Progress.Dispose();
        if (terminal.Json)
        {
            terminal.Object(json =>
            {
                json.WriteString("summary", Action);
                json.WriteNumber("objects", _copied);
                json.WriteNumber("bytes", _bytes);
                json.WriteNumber("skipped", _skipped);
                json.WriteNumber("deleted", deleted);
                json.WriteNumber("failed", terminal.Failures);
                json.WriteNumber("seconds", Math.Round(elapsed.TotalSeconds, 3));
            });
            return;
        }
        string done = DryRun ? $"would {Action}" : moves ? "moved" : "copied";
        string more = (_skipped > 0 ? $", {_skipped} skipped" : "")
            + (deleted > 0 ? $", {deleted} {(DryRun ? "to delete" : "deleted")}" : "")
            + (terminal.Failures > 0 ? $", {terminal.Failures} failed" : "");
        terminal.Note($"{done} {_copied} object{(_copied == 1 ? "" : "s")}, {Quantity.Show(_bytes)} in {Quantity.Show(elapsed)} "
            + $"({Quantity.Show(_bytes / Math.Max(elapsed.TotalSeconds, 0.001))}/s){more}");
    }

    public void Dispose() => _budget.Dispose();
}
