using System.Globalization;
using S3dlio.Cache;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>cache</c>: the directory that lies in front of stores.</summary>
static class Caches
{
    static readonly Positional Folder = new("DIR", "the cache's directory");

    public static readonly Verb Verb = new("cache", "look after a cache in front of stores", null)
    {
        Verbs =
        [
            new("stats", "what is kept, by bucket, container and file system", StatsAsync)
            {
                Positionals = [Folder],
                Details = "Hits and misses are counted by each process for itself: 'store.stats()' in Python tells them.",
            },
            new("verify", "compare every byte that is kept with its checksum", VerifyAsync)
            {
                Positionals = [Folder],
                Options = [Option.Flag("remove", '\0', "remove what is damaged")],
                Details = "Readers take what is damaged for a miss, so it costs time and is never handed out. Exit code 3 tells of damage.",
            },
            new("evict", "remove what is kept", EvictAsync)
            {
                Positionals = [Folder, new("ADDRESS", "only of objects whose addresses begin so", Least: 0, Many: true)],
                Options =
                [
                    Option.Flag("all", 'a', "everything"),
                    Option.Of("size", '\0', "SIZE", "what would be let go first, until the rest has at most so many bytes"),
                ],
                Examples = ["s3dlio cache evict --size 50GiB /nvme/cache", "s3dlio cache evict /nvme/cache s3://bucket/old/"],
            },
            new("warm", "read objects, so that the cache has them", WarmAsync)
            {
                Positionals = [Folder, new("SOURCE", "objects, folders and wildcards", Many: true)],
                Options = [Option.Of("size", '\0', "SIZE", "bytes that the cache may take, as the option cache_size"), .. Common.Filters],
                Details = "The directory is made where there is none. Where the cache is too small for them, what was read last is there.",
                Examples = ["s3dlio cache warm --size 200GiB /nvme/cache s3://bucket/train"],
            },
            new("drain", "send what waits in the cache's journals to the stores", CacheJournals.DrainAsync)
            {
                Positionals = [Folder],
                Options = [Option.Of("timeout", '\0', "SECONDS", "how long to wait; without it as long as it takes")],
                Details = "Journals of processes that died are taken over; of those that live, what they send is waited for."
                    + " Exit code 3: something is left.",
            },
            new("parked", "writes that a store refused for a reason that waiting does not mend", CacheJournals.ParkedAsync)
            {
                Positionals = [Folder],
                Options =
                [
                    Option.Flag("retry", '\0', "try them again"),
                    Option.Flag("discard", '\0', "give them up: what they were to write is lost"),
                ],
                Details = "They stay readable through the cache. Exit code 3: there are some.",
            },
        ],
    };

    internal static string Directory(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        return place.IsLocal ? place.LocalFolder : throw new UsageException($"{run.Arguments[0]}: a cache lies on this machine");
    }

    static Task<int> StatsAsync(Invocation run)
    {
        string directory = Directory(run);
        var shares = CacheSurvey.Count(directory, run.Cancel);
        foreach (var share in shares)
            Show(run, share);
        var total = new CacheShare("", shares.Sum(static one => one.Objects), shares.Sum(static one => one.Blocks),
            shares.Sum(static one => one.Bytes));
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "directory", directory);
                json.WriteNumber("objects", total.Objects);
                json.WriteNumber("blocks", total.Blocks);
                json.WriteNumber("bytes", total.Bytes);
            });
        }
        else
        {
            run.Terminal.Note(string.Create(CultureInfo.InvariantCulture,
                $"{total.Objects} objects, {total.Blocks} blocks, {Quantity.Show(total.Bytes)}"));
        }
        return Task.FromResult(run.Outcome);
    }

    static void Show(Invocation run, CacheShare share)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "uri", share.Root);
                json.WriteNumber("objects", share.Objects);
                json.WriteNumber("blocks", share.Blocks);
                json.WriteNumber("bytes", share.Bytes);
            });
            return;
        }
        run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{share.Objects,10} objects {share.Blocks,10} blocks {Quantity.Show(share.Bytes),10} ")
            + (share.Root.Length == 0 ? "(damaged)" : Quoted.Name(share.Root)));
    }

    static Task<int> VerifyAsync(Invocation run)
    {
        run.Terminal.Progress.Start();
        var report = CacheSurvey.Check(Directory(run), run.Has("remove"), run.Terminal.Progress, run.Cancel);
        run.Terminal.Progress.Dispose();
        foreach (var one in report.Damage)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    JsonText.Address(json, "path", one.Path);
                    json.WriteString("what", Quoted.Text(one.What));
                });
            }
            else
            {
                run.Terminal.Line($"damaged: {Quoted.Name(one.Path)}: {Quoted.Text(one.What)}");
            }
        }
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("entries", report.Entries);
                json.WriteNumber("bytes", report.Bytes);
                json.WriteNumber("damaged", report.Damage.Count);
                json.WriteBoolean("removed", run.Has("remove"));
            });
        }
        else
        {
            run.Terminal.Note($"{report.Entries} entries, {Quantity.Show(report.Bytes)} read, {report.Damage.Count} damaged"
                + (run.Has("remove") && report.Damage.Count > 0 ? " and removed" : ""));
        }
        return Task.FromResult(report.Damage.Count > 0 ? ExitCode.Differences : run.Outcome);
    }

    static async Task<int> EvictAsync(Invocation run)
    {
        string directory = Directory(run);
        string[] addresses = [.. run.Arguments.Skip(1)];
        if ((run.Has("all") ? 1 : 0) + (run.Text("size") is null ? 0 : 1) + (addresses.Length > 0 ? 1 : 0) != 1)
            throw new UsageException("cache evict: say what: addresses, --size or --all, one of them");
        var removed = new CacheAmount(0, 0);
        if (run.Has("all"))
            removed = CacheSurvey.Clear(directory, run.Cancel);
        else if (run.Text("size") is not null)
            removed = CacheSurvey.Trim(directory, run.Size("size", 0));
        else
        {
            CacheSurvey.Find(directory);
            foreach (string address in addresses)
            {
                var place = run.Stores.Open(address, wildcards: false);
                var store = new HybridStore(place.Store, new CacheOptions { Directory = directory });
                var one = await store.EvictAsync(place.Key, run.Cancel);
                removed = new CacheAmount(removed.Entries + one.Entries, removed.Bytes + one.Bytes);
            }
        }
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("entries", removed.Entries);
                json.WriteNumber("bytes", removed.Bytes);
            });
        }
        else
        {
            run.Terminal.Note($"removed {removed.Entries} entries, {Quantity.Show(removed.Bytes)}");
        }
        return run.Outcome;
    }

    static async Task<int> WarmAsync(Invocation run)
    {
        string directory = Directory(run);
        var options = new CacheOptions { Directory = directory, Size = run.Text("size") is null ? null : run.Size("size", 0) };
        var filter = Common.Filter(run);
        var warmed = new CacheAmount(0, 0);
        run.Terminal.Progress.Start();
        foreach (string source in run.Arguments.Skip(1))
        {
            var place = run.Stores.Open(source);
            var keys = new List<string>();
            await foreach (var found in Tree.FindAsync(place, recursive: true, filter, run.Cancel))
            {
                run.Terminal.Progress.Expect(found.Meta.Size);
                keys.Add(found.Meta.Key);
            }
            var one = await new HybridStore(place.Store, options).WarmAsync(keys, run.Terminal.Progress, run.Cancel);
            warmed = new CacheAmount(warmed.Entries + one.Entries, warmed.Bytes + one.Bytes);
        }
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("objects", warmed.Entries);
                json.WriteNumber("bytes", warmed.Bytes);
            });
        }
        else
        {
            run.Terminal.Note($"read {warmed.Entries} objects, {Quantity.Show(warmed.Bytes)}");
        }
        return run.Outcome;
    }
}
