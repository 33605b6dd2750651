using System.Globalization;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Transfers;
using S3dlio.Cli.Verbs;
using S3dlio.Storage;

namespace S3dlio.Cli.Original;

/// <summary><c>get put upload download cp</c> of the original.</summary>
static class OriginalTransfers
{
    public static async Task<int> CopyAsync(Invocation run, string verb, int jobs)
    {
        // the original sends everything each time
        run.Parsed.Given["force"] = [""];
        run.Parsed.Given.TryAdd("jobs", [jobs.ToString(CultureInfo.InvariantCulture)]);
        if (run.Has("create-bucket"))
            await MakeBucketAsync(run, run.Arguments[^1]);
        return await Copies.RunAsync(run, moves: false, always: verb != "cp", copier =>
            Summarize(run, verb, copier.Copied + run.Terminal.Failures, copier.Copied, copier.Bytes));
    }

    public static async Task<int> GetAsync(Invocation run)
    {
        run.Parsed.Given.TryAdd("jobs", ["64"]);
        bool isRange = run.Has("offset") || run.Has("length");
        if (isRange && (run.Has("keylist") || run.Has("recursive")))
            throw new UsageException("--offset and --length are for one object, not for --keylist or --recursive");
        if (run.Arguments.Count == 0 && !run.Has("keylist"))
            throw new UsageException("get: name an address or a --keylist");
        var servers = Servers(run);
        long bytes = 0, good = 0, all = 0;
        run.Terminal.Progress.Start();
        await run.EachAsync(servers[0].Open(run.Arguments.Count > 0 ? run.Arguments[0] : "./", wildcards: false).Store.RequestsAtOnce,
            AddressesAsync(run, servers), async (address, cancel) =>
            {
                long number = Interlocked.Increment(ref all) - 1;
                var place = servers[(int)(number % servers.Length)].Open(address, wildcards: false);
                long count = await ReadAsync(run, place, cancel);
                Interlocked.Add(ref bytes, count);
                Interlocked.Increment(ref good);
                run.Terminal.Progress.Done();
                if (run.Terminal.Verbose)
                    run.Terminal.Line($"read {Quoted.Name(address)}, {count} bytes");
            });
        if (all == 0 && run.Terminal.Failures == 0)
        {
            string asked = run.Arguments.Count > 0 ? run.Arguments[0] : run.Text("keylist")!;
            throw new StoreException(ErrorKind.NotFound, asked, "no object matches");
        }
        Summarize(run, "get", all, good, bytes);
        return run.Outcome;
    }

    static async IAsyncEnumerable<string> AddressesAsync(Invocation run, Stores[] servers)
    {
        if (run.Text("keylist") is { } list)
        {
            string[] lines;
            try
            {
                lines = await File.ReadAllLinesAsync(list, run.Cancel);
            }
            catch (Exception error) when (error is IOException or UnauthorizedAccessException)
            {
                throw new StoreException(ErrorKind.NotFound, list, error.Message, cause: error);
            }
            foreach (string line in lines)
            {
                if (line.Trim() is { Length: > 0 } address && address[0] != '#')
                    yield return address;
            }
            yield break;
        }
        var place = servers[0].Open(run.Arguments[0]);
        if (place.Glob is null && !place.IsFolder && !run.Has("recursive"))
        {
            yield return run.Arguments[0];
            yield break;
        }
        await foreach (var found in Tree.FindAsync(place, recursive: true, new Filter(), run.Cancel))
        {
            if (run.Has("recursive") || place.Glob is not null || !found.Relative.Contains('/', StringComparison.Ordinal))
                yield return found.Address;
        }
    }

    /// <summary>Reads what was asked for of an object, a whole one compared with its checksum, and keeps nothing of it.</summary>
    static async ValueTask<long> ReadAsync(Invocation run, Place place, CancellationToken cancel)
    {
        const int pieceLength = 4 << 20;
        if (!run.Has("offset") && !run.Has("length"))
        {
            var report = await ByteCheck.ReadAsync(place.Store, place.Key, run.Terminal.Progress, cancel);
            return report.Places is [var damage, ..]
                ? throw new StoreException(ErrorKind.ChecksumMismatch, place.ToString(),
                    $"bytes {damage.Begin} to {damage.End}: {damage.Expected} recorded when they were written, {damage.Found} found")
                : report.Meta.Size;
        }
        long begin = run.Number("offset") ?? 0;
        await using var reader = await place.Store.OpenReadAsync(place.Key, ReadOptions.Default, cancel);
        if (begin < 0 || begin > reader.Meta.Size)
            throw new UsageException($"--offset: {begin} is not within the object's {reader.Meta.Size} bytes");
        long end = run.Number("length") is { } length ? Math.Min(reader.Meta.Size, begin + length) : reader.Meta.Size;
        byte[] piece = System.Buffers.ArrayPool<byte>.Shared.Rent((int)Math.Min(pieceLength, Math.Max(1, end - begin)));
        try
        {
            for (long at = begin; at < end;)
            {
                int count = (int)Math.Min(Math.Min(pieceLength, piece.Length), end - at);
                await reader.ReadAsync(at, piece.AsMemory(0, count), cancel);
                run.Terminal.Progress.Report(count);
                at += count;
            }
        }
        finally
        {
            System.Buffers.ArrayPool<byte>.Shared.Return(piece);
        }
        return Math.Max(0, end - begin);
    }

    public static async Task<int> PutAsync(Invocation run)
    {
        run.Parsed.Given.TryAdd("jobs", ["32"]);
        int number = run.Integer("num", 1, 1, int.MaxValue);
        long size = run.Size("size", 20 << 20);
        string template = run.Text("template") ?? "object_{}_of_{}.dat";
        var form = SampleForm(run.Text("object-type") ?? "raw");
        int dedup = run.Integer("dedup", 1, 1, int.MaxValue), compress = run.Integer("compress", 1, 1, int.MaxValue);
        if (run.Text("data-gen-mode") is { } mode && mode.ToLowerInvariant().Replace("_", "-", StringComparison.Ordinal)
            is not ("streaming" or "single-pass" or "singlepass"))
            throw new UsageException(NearestName.Refuse("mode", mode, ["streaming", "single-pass"]));
        if (size > Array.MaxLength)
            throw new UsageException($"--size: {size} is more than the {Array.MaxLength} bytes of an object that are made at once");
        if (run.Has("create-bucket"))
            await MakeBucketAsync(run, run.Arguments[0]);
        var servers = Servers(run);
        string prefix = run.Arguments[0].EndsWith('/') ? run.Arguments[0] : run.Arguments[0] + "/";
        ulong seed = (ulong)Random.Shared.NextInt64();
        long good = 0, bytes = 0;
        run.Terminal.Progress.Start();
        await run.EachAsync(servers[0].Open(prefix, wildcards: false).Store.RequestsAtOnce, Numbers(run, number, size), async (i, cancel) =>
        {
            var place = servers[i % servers.Length].Open(prefix + NameOf(template, i, number), wildcards: false);
            byte[] data = form(size, new SampleData(seed + ((ulong)i << 32), dedup, compress));
            await place.Store.PutAsync(place.Key, new Payload(data), PutOptions.Default, run.Terminal.Progress, cancel);
            Interlocked.Increment(ref good);
            Interlocked.Add(ref bytes, data.Length);
            run.Terminal.Progress.Done();
        });
        Summarize(run, "put", number, good, bytes);
        return run.Outcome;
    }

    static async IAsyncEnumerable<int> Numbers(Invocation run, int count, long size)
    {
        await ValueTask.CompletedTask;
        for (int i = 0; i < count; i++)
        {
            run.Terminal.Progress.Expect(size);
            yield return i;
        }
    }

    /// <summary>The number takes the place of the first <c>{}</c>, the count that of the second.</summary>
    static string NameOf(string template, int number, int count)
    {
        string name = template;
        foreach (int value in (int[])[number, count])
        {
            int at = name.IndexOf("{}", StringComparison.Ordinal);
            if (at >= 0)
                name = string.Create(CultureInfo.InvariantCulture, $"{name[..at]}{value}{name[(at + 2)..]}");
        }
        return name;
    }

    static Func<long, SampleData, byte[]> SampleForm(string type) => type.ToLowerInvariant() switch
    {
        "raw" or "zeros" => Samples.Raw,
        "npz" => Samples.Npz,
        "tf-record" or "tf_record" or "tfrecord" => Samples.TfRecord,
        "hdf5" => throw new UsageException(
            "--object-type: hdf5 is not made here; write npz, tf-record or raw, or make HDF5 files with h5py"),
        _ => throw new UsageException(NearestName.Refuse("type", type, ["npz", "raw", "tf-record"])),
    };

    static async Task MakeBucketAsync(Invocation run, string address)
    {
        if (!StoreUri.IsAddress(address) || StoreUri.Parse(address) is { IsLocal: true } or { Scheme: "memory" })
            return;
        var uri = StoreUri.Parse(address);
        string bucket = uri.ToString()[..^uri.Key.Length];
        if (run.Stores.Containers(bucket) is { Name: { } name } found)
            await found.Service.CreateAsync(name, run.Cancel);
    }

    /// <summary>The stores of each of <c>--endpoints</c>, or those of the one server.</summary>
    static Stores[] Servers(Invocation run)
    {
        if (run.Text("endpoints") is not { } list)
            return [run.Stores];
        string[] endpoints = list.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (endpoints.Length == 0)
            throw new UsageException("--endpoints: name servers, such as http://a:9000,http://b:9000");
        return [.. endpoints.Select(endpoint => new Stores(run.Parsed with
        {
            Given = new Dictionary<string, List<string>>(run.Parsed.Given, StringComparer.Ordinal) { ["endpoint-url"] = [endpoint] },
        }) { Wrap = run.Stores.Wrap })];
    }

    static void Summarize(Invocation run, string verb, long attempted, long succeeded, long bytes)
    {
        double seconds = Math.Max(run.Terminal.Progress.Elapsed.TotalSeconds, 1e-9);
        run.Terminal.Progress.Dispose();
        run.Terminal.Line($"{verb} summary: attempted={attempted}, succeeded={succeeded}, failed={attempted - succeeded}");
        run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
            $"{bytes} bytes in {seconds:0.000}s ({bytes / seconds / (1 << 20):0.00} MiB/s)"));
    }
}
