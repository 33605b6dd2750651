using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Transfers;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>check</c>, <c>verify</c> and <c>hash</c>: whether bytes are what they should be.</summary>
static class Checks
{
    public static readonly Verb Check = new("check", "compare two trees, object by object", CheckAsync)
    {
        Positionals = [new("LEFT", "a folder, prefix or bucket"), new("RIGHT", "the other")],
        Options =
        [
            Common.JobsOption,
            Option.Flag("combined", '\0', "a line for each object: = same, * different, + only left, - only right, ! could not be read"),
            Option.Flag("one-way", '\0', "pass over what is only at the right"),
            Option.Flag("size-only", '\0', "compare sizes alone"),
            Option.Flag("read", '\0', "read every byte on both sides, whatever is recorded") with { Aliases = ["download"] },
            .. Common.Filters,
        ],
        Details = "Objects of the same size are compared by CRC32C: of files the bytes are read, elsewhere the recorded one serves, and "
            + "what has none is read. Without --combined only what is not the same is printed. Exit code 3 tells of differences.",
        Examples = ["s3dlio check ./data s3://bucket/data", "s3dlio check --combined s3://a/x s3://b/x | grep -v ^="],
    };

    public static readonly Verb Verify = new("verify", "read every byte of objects and compare it with what is recorded", VerifyAsync)
    {
        Positionals = [new("PATH", "objects, folders or wildcards", Many: true)],
        Options = [Common.JobsOption, Option.Flag("strict", '\0', "an object with which nothing is recorded is a failure"),
            .. Common.Filters],
        Details = "A line tells of each damaged stretch: object, first byte, byte behind the last, expected and found. Exit code 3 "
            + "tells of damage.",
        Examples = ["s3dlio verify s3://bucket/checkpoints"],
    };

    public static readonly Verb Hash = new("hash", "print checksums of objects' bytes", HashAsync)
    {
        Positionals = [new("PATH", "objects, folders or wildcards", Many: true)],
        Options = [Option.Of("algorithm", 'a', "NAME", "crc32c (default), crc64nvme, md5, sha1 or sha256"), Option.Flag("recorded", '\0',
            "the recorded CRC32C, without reading"), Common.Recursive, .. Common.Filters],
        Examples = ["s3dlio hash -a sha256 s3://bucket/weights.safetensors"],
    };

    static async Task<int> CheckAsync(Invocation run)
    {
        var left = run.Stores.Open(run.Arguments[0], wildcards: false);
        var right = run.Stores.Open(run.Arguments[1], wildcards: false);
        var filter = Common.Filter(run);
        long same = 0, different = 0, missing = 0, errors = 0;
        bool combined = run.Has("combined");
        void Mark(char mark, string relative, string? address, string what)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("mark", mark.ToString());
                    JsonText.Address(json, "path", relative);
                });
            }
            else if (combined)
            {
                run.Terminal.Line($"{mark} {Quoted.Name(relative)}");
            }
            else if (mark != '=')
            {
                run.Terminal.Line($"{what}: {Quoted.Name(address ?? relative)}");
            }
        }
        run.Terminal.Progress.Start();
        bool any = false;
        async IAsyncEnumerable<(Found? Left, Found? Right)> Pairs()
        {
            await foreach (var pair in Join.SideBySideAsync(Tree.BelowAsync(left, run.Cancel), Tree.BelowAsync(right, run.Cancel),
                run.Cancel))
            {
                any = true;
                if (!filter.Passes((pair.Left ?? pair.Right)!.Value.Relative, (pair.Left ?? pair.Right)!.Value.Meta))
                    continue;
                if (pair.Left is { } one)
                    run.Terminal.Progress.Expect(one.Meta.Size);
                yield return pair;
            }
        }
        bool whole = await run.EachAsync(Math.Max(left.Store.RequestsAtOnce, right.Store.RequestsAtOnce), Pairs(), async (pair,
            cancel) =>
        {
            if (pair.Right is not { } there)
            {
                Interlocked.Increment(ref missing);
                Mark('+', pair.Left!.Value.Relative, pair.Left!.Value.Address, "only left");
                return;
            }
            if (pair.Left is not { } here)
            {
                if (run.Has("one-way"))
                    return;
                Interlocked.Increment(ref missing);
                Mark('-', there.Relative, there.Address, "only right");
                return;
            }
            try
            {
                bool equal = run.Has("read") && here.Meta.Size == there.Meta.Size
                    ? (await ReadSumAsync(left.Store, here.Meta.Key, cancel)) == (await ReadSumAsync(right.Store, there.Meta.Key, cancel))
                    : await Comparison.AreSameAsync(run.Has("size-only") ? Judgement.Size : Judgement.Bytes, left.Store, here.Meta,
                        right.Store, there.Meta, cancel);
                _ = equal ? Interlocked.Increment(ref same) : Interlocked.Increment(ref different);
                Mark(equal ? '=' : '*', here.Relative, here.Address, "different");
            }
            catch (StoreException error)
            {
                Interlocked.Increment(ref errors);
                Mark('!', here.Relative, here.Address, "could not be read");
                run.Terminal.Failure(error);
            }
            run.Terminal.Progress.Done();
            run.Terminal.Progress.Report(here.Meta.Size);
        });
        run.Terminal.Progress.Dispose();
        if (whole && !any && !await Tree.IsThereAsync(left, run.Cancel) && !await Tree.IsThereAsync(right, run.Cancel))
            throw Tree.NotFound(left);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("summary", "check");
                json.WriteNumber("same", same);
                json.WriteNumber("different", different);
                json.WriteNumber("missing", missing);
                json.WriteNumber("errors", errors);
            });
        }
        else
        {
            run.Terminal.Note($"{same} same, {different} different, {missing} "
                + $"missing{(errors > 0 ? $", {errors} could not be read" : "")}");
        }
        return different + missing > 0 ? ExitCode.Differences : run.Outcome;
    }

    static async ValueTask<Hashing.Checksum> ReadSumAsync(ObjectStore store, string key, CancellationToken cancel) =>
        (await ByteCheck.ReadAsync(store, key, null, cancel)).Found;

    static async Task<int> VerifyAsync(Invocation run)
    {
        var filter = Common.Filter(run);
        long good = 0, damaged = 0, unknown = 0, bytes = 0;
        run.Terminal.Progress.Start();
        foreach (string path in run.Arguments)
        {
            var place = run.Stores.Open(path);
            async IAsyncEnumerable<Found> Objects()
            {
                await foreach (var found in Tree.FindAsync(place, recursive: true, filter, run.Cancel))
                {
                    run.Terminal.Progress.Expect(found.Meta.Size);
                    yield return found;
                }
            }
            await run.EachAsync(place.Store.RequestsAtOnce, Objects(), async (found, cancel) =>
            {
                ByteReport report;
                try
                {
                    report = await ByteCheck.ReadAsync(place.Store, found.Meta.Key, run.Terminal.Progress, cancel);
                }
                catch (StoreException error) when (error.Kind is ErrorKind.ChecksumMismatch)
                {
                    Interlocked.Increment(ref damaged);
                    run.Terminal.Failure(error);
                    return;
                }
                run.Terminal.Progress.Done();
                Interlocked.Add(ref bytes, report.Meta.Size);
                if (report.Places.Count > 0)
                    Interlocked.Increment(ref damaged);
                else if (report.Compared)
                    Interlocked.Increment(ref good);
                else
                    Interlocked.Increment(ref unknown);
                Tell(run, found.Address, report);
            });
        }
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteString("summary", "verify");
                json.WriteNumber("good", good);
                json.WriteNumber("damaged", damaged);
                json.WriteNumber("unrecorded", unknown);
                json.WriteNumber("bytes", bytes);
                json.WriteNumber("failed", run.Terminal.Failures);
            });
        }
        else
        {
            run.Terminal.Note($"{good} good, {damaged} damaged, {unknown} with nothing recorded, {Quantity.Show(bytes)} read");
        }
        return damaged > 0 ? ExitCode.Differences : run.Has("strict") && unknown > 0 ? ExitCode.Failed : run.Outcome;
    }

    static void Tell(Invocation run, string address, ByteReport report)
    {
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                JsonText.Address(json, "uri", address);
                json.WriteString("state", report.Places.Count > 0 ? "damaged" : report.Compared ? "good" : "unrecorded");
                json.WriteNumber("size", report.Meta.Size);
                json.WriteString("checksum", report.Found.ToString());
                if (report.Places.Count == 0)
                    return;
                json.WriteStartArray("damage");
                foreach (var place in report.Places)
                {
                    json.WriteStartObject();
                    json.WriteNumber("begin", place.Begin);
                    json.WriteNumber("end", place.End);
                    json.WriteString("expected", place.Expected);
                    json.WriteString("found", place.Found);
                    json.WriteEndObject();
                }
                json.WriteEndArray();
            });
            return;
        }
        foreach (var place in report.Places)
            run.Terminal.Line($"damaged: {Quoted.Name(address)}: {place}");
        if (report.Places.Count > 0)
            return;
        if (run.Terminal.Verbose)
            run.Terminal.Line($"{(report.Compared ? "good" : "nothing recorded")}: {Quoted.Name(address)}");
        else if (!report.Compared && run.Has("strict"))
            run.Terminal.Line($"nothing recorded: {Quoted.Name(address)}");
    }

    static async Task<int> HashAsync(Invocation run)
    {
        string algorithm = run.Text("algorithm") ?? "crc32c";
        var filter = Common.Filter(run);
        foreach (string path in run.Arguments)
        {
            try
            {
                await foreach (var found in Tree.FindAsync(run.Stores.Open(path), run.Has("recursive"), filter, run.Cancel))
                {
                    string? sum = run.Has("recorded")
                        ? (await found.Place.Store.HeadAsync(found.Meta.Key, run.Cancel)).Checksum?.ToString()
                        : await ByteHash.OfAsync(found.Place.Store, found.Meta.Key, algorithm, run.Cancel);
                    if (run.Terminal.Json)
                    {
                        run.Terminal.Object(json =>
                        {
                            JsonText.Address(json, "uri", found.Address);
                            json.WriteString("hash", sum);
                        });
                    }
                    else
                    {
                        run.Terminal.Line($"{sum ?? "none"}  {Quoted.Name(found.Address)}");
                    }
                }
            }
            catch (StoreException error)
            {
                run.Terminal.Failure(error);
            }
        }
        return run.Outcome;
    }
}
