using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Transfers;
using S3dlio.Datasets;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary><c>dataset</c>: manifests, which hold the names, sizes and checksums of a data set's objects.</summary>
static class DatasetVerbs
{
    static readonly Positional File = new("MANIFEST", "an object or a file");

    public static readonly Verb Verb = new("dataset", "make and check manifests of data sets", null)
    {
        Verbs =
        [
            new("index", "list objects and write a manifest of them", IndexAsync)
            {
                Positionals = [new("PATH", "a folder, prefix or bucket"), new("MANIFEST", "where the manifest goes, on any store")],
                Options =
                [
                    Common.JobsOption,
                    Option.Flag("flat", '\0', "only what lies right below the path"),
                    Option.Of("checksums", '\0', "HOW",
                        "none (default); recorded: the CRC32C recorded with each object; read: read every object"),
                    .. Common.Filters,
                ],
                Details = "Python's s3dlio.datasets.manifest(MANIFEST) reads it, maps it into memory and lists nothing.",
                Examples = ["s3dlio dataset index --include '*.jpg' s3://bucket/train/ train.manifest"],
            },
            new("verify", "compare a manifest with its checksums, and the objects with the manifest", VerifyAsync)
            {
                Positionals = [File],
                Options =
                [
                    Common.JobsOption,
                    Option.Flag("read", '\0', "read every byte and compare it with the manifest's CRC32C, or the recorded one"),
                ],
                Details = "Size, ETag and recorded CRC32C are compared, as the store's listing tells them; objects of which it does not "
                    + "tell enough are asked for one by one. A line tells of each object that is gone or another one, and of each "
                    + "damaged stretch of bytes. Exit code 3 tells of either.",
                Examples = ["s3dlio dataset verify train.manifest"],
            },
            new("ls", "print the addresses of a manifest's objects", ListAsync)
            {
                Positionals = [File],
                Options = [Option.Flag("long", 'l', "size, checksum and address"), Common.Null],
            },
            new("show", "print what a manifest holds", ShowAsync) { Positionals = [File] },
        ],
    };

    static ValueTask<Manifest> OpenAsync(Invocation run, string name)
    {
        var place = run.Stores.Open(name, wildcards: false);
        return Manifest.OpenAsync(place.Store, place.Key, run.Cancel);
    }

    static async Task<int> IndexAsync(Invocation run)
    {
        var from = run.Stores.Open(run.Arguments[0], wildcards: false);
        var to = run.Stores.Open(run.Arguments[1], wildcards: false);
        if (to.IsFolder)
            throw new UsageException($"{run.Arguments[1]}: a manifest is an object; give its name");
        var filter = Common.Filter(run);
        var progress = new Objects(run.Terminal.Progress);
        var options = new IndexOptions
        {
            Recursive = !run.Has("flat"),
            InFlight = run.Jobs,
            NamesUris = StoreUri.IsAddress(run.Arguments[0]),
            Checksums = (run.Text("checksums") ?? "none") switch
            {
                "none" => IndexChecksums.None,
                "recorded" => IndexChecksums.Recorded,
                "read" => IndexChecksums.Read,
                var other => throw new UsageException($"--checksums: none, recorded or read, found '{other}'"),
            },
            Wanted = (relative, meta) =>
            {
                bool passes = filter.Passes(relative, meta);
                if (passes)
                    run.Terminal.Progress.Expect(meta.Size);
                return passes;
            },
        };
        run.Terminal.Progress.Start();
        long count = await ManifestIndex.WriteAsync(from.Store, from.Key, to.Store, to.Key, options, progress, run.Cancel);
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("summary", "index");
                JsonText.Address(json, "manifest", run.Arguments[1]);
                json.WriteNumber("objects", count);
            });
        }
        else
        {
            run.Terminal.Note($"{count} objects in {run.Terminal.Progress.Elapsed.TotalSeconds:0.0} s");
        }
        return run.Outcome;
    }

    static async Task<int> VerifyAsync(Invocation run)
    {
        await using var manifest = await OpenAsync(run, run.Arguments[0]);
        long good = 0, changed = 0;
        foreach (var one in await manifest.CheckAsync(run.Cancel))
        {
            changed++;
            Tell(run, "damaged", manifest.Uri, $"bytes {one.Section.Begin}..{one.Section.Begin + one.Section.Length} (the section "
                + $"'{one.Section.Name}'): {one.Section.Checksum} recorded, {one.Found} found");
        }
        if (changed == 0)
        {
            run.Terminal.Progress.Start();
            Place[] bases = [.. manifest.Bases.Select(one => run.Stores.Open(one, wildcards: false))];
            ListedEntries[] listings = [.. bases.Select(one => new ListedEntries(one.Store, one.Key, run.Cancel))];
            async IAsyncEnumerable<(ManifestEntry Entry, ObjectMeta? Listed)> Entries()
            {
                await foreach (var entry in manifest.EntriesAsync(run.Cancel))
                {
                    run.Terminal.Progress.Expect(run.Has("read") ? entry.Size ?? 0 : 0);
                    var listed = await listings[entry.Base].FindAsync(bases[entry.Base].Key + entry.Key);
                    yield return (entry, listed);
                }
            }
            await run.EachAsync(bases.Max(static one => one.Store.RequestsAtOnce), Entries(), async (item, cancel) =>
            {
                var place = bases[item.Entry.Base];
                bool same = await CompareAsync(run, place.Store, place.Key + item.Entry.Key, item.Entry, item.Listed, cancel);
                _ = same ? Interlocked.Increment(ref good) : Interlocked.Increment(ref changed);
                run.Terminal.Progress.Done();
            });
            foreach (var one in listings)
                await one.DisposeAsync();
            run.Terminal.Progress.Dispose();
        }
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("summary", "verify");
                json.WriteNumber("objects", manifest.Count);
                json.WriteNumber("good", good);
                json.WriteNumber("changed", changed);
                json.WriteNumber("failed", run.Terminal.Failures);
            });
        }
        else
        {
            run.Terminal.Note($"{manifest.Count} objects, {good} as the manifest says, {changed} changed or damaged");
        }
        return changed > 0 ? ExitCode.Differences : run.Outcome;
    }

    /// <summary>Whether an object is as the manifest says; what is not is told.</summary>
    static async ValueTask<bool> CompareAsync(
        Invocation run, ObjectStore store, string key, ManifestEntry entry, ObjectMeta? listed, CancellationToken cancel)
    {
        ObjectMeta now;
        try
        {
            now = listed is not null && entry.CanBeJudgedBy(listed) ? listed : await store.HeadAsync(key, cancel);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.NotFound or ErrorKind.IsDirectory or ErrorKind.NotDirectory)
        {
            Tell(run, "gone", entry.Uri, "there is no such object");
            return false;
        }
        if (entry.Difference(now) is { } difference)
        {
            Tell(run, "changed", entry.Uri, difference);
            return false;
        }
        if (!run.Has("read"))
            return true;
        ByteReport report;
        try
        {
            report = await ByteCheck.ReadAsync(store, key, run.Terminal.Progress, cancel);
        }
        catch (StoreException error) when (error.Kind is ErrorKind.NotFound)
        {
            Tell(run, "gone", entry.Uri, "it went while it was being compared");
            return false;
        }
        catch (StoreException error) when (error.Kind is ErrorKind.ChecksumMismatch)
        {
            // the store's own check of what it sent
            Tell(run, "damaged", entry.Uri, error.Detail);
            return false;
        }
        foreach (var place in report.Places)
            Tell(run, "damaged", entry.Uri, place.ToString());
        if (report.Places.Count > 0)
            return false;
        if (entry.Checksum is not { } expected || expected == report.Found)
            return true;
        Tell(run, "damaged", entry.Uri, $"bytes 0..{report.Meta.Size}: {expected} in the manifest, {report.Found} found");
        return false;
    }

    static void Tell(Invocation run, string state, string address, string what)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("state", state);
                JsonText.Address(json, "uri", address);
                json.WriteString("what", what);
            });
        }
        else
        {
            run.Terminal.Line($"{state}: {Quoted.Name(address)}: {what}");
        }
    }

    static async Task<int> ListAsync(Invocation run)
    {
        await using var manifest = await OpenAsync(run, run.Arguments[0]);
        await foreach (var entry in manifest.EntriesAsync(run.Cancel))
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    JsonText.Address(json, "uri", entry.Uri);
                    if (entry.Size is { } size)
                        json.WriteNumber("size", size);
                    if (entry.Checksum is { } checksum)
                        json.WriteString("checksum", checksum.ToString());
                });
            }
            else if (run.Has("null"))
            {
                run.Terminal.Raw(entry.Uri);
            }
            else
            {
                string before = run.Has("long") ? $"{entry.Size,12} {entry.Checksum?.ToString() ?? "-",-15} " : "";
                run.Terminal.Line(before + Quoted.Name(entry.Uri));
            }
        }
        return run.Outcome;
    }

    static async Task<int> ShowAsync(Invocation run)
    {
        await using var manifest = await OpenAsync(run, run.Arguments[0]);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("objects", manifest.Count);
                json.WriteStartArray("bases");
                foreach (string one in manifest.Bases)
                    json.WriteStringValue(one);
                json.WriteEndArray();
                if (manifest.Created is not null)
                    json.WriteString("created", manifest.Created);
                json.WriteNumber("bytes", manifest.Size);
                json.WriteStartArray("sections");
                foreach (var section in manifest.Sections)
                {
                    json.WriteStartObject();
                    json.WriteString("name", section.Name);
                    json.WriteString("type", section.Type);
                    json.WriteNumber("bytes", section.Length);
                    json.WriteString("checksum", section.Checksum.ToString());
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
            return run.Outcome;
        }
        run.Terminal.Line($"objects: {manifest.Count}");
        foreach (string one in manifest.Bases)
            run.Terminal.Line($"base: {Quoted.Name(one)}");
        if (manifest.Created is not null)
            run.Terminal.Line($"created: {Quoted.Text(manifest.Created)}");
        run.Terminal.Line($"bytes: {manifest.Size} ({(double)manifest.Size / manifest.Count:0.0} each)");
        foreach (var section in manifest.Sections)
            run.Terminal.Line($"section: {Quoted.Text(section.Name)} {section.Type}, {section.Length} bytes, {section.Checksum}");
        return run.Outcome;
    }

    /// <summary>Counts objects, which the index reports one by one.</summary>
    sealed class Objects(Progress progress) : ITransferProgress
    {
        public void Begin(long total)
        {
            // they are counted as they are found
        }

        public void Report(long value) => progress.Done();
    }
}
