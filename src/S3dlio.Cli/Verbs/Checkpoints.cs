using System.Globalization;
using System.Text;
using System.Text.Json;
using S3dlio.Checkpoint;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>checkpoint</c>: what a folder of checkpoints holds.</summary>
static class Checkpoints
{
    static readonly Positional Folder = new("FOLDER", "where the checkpoints are saved");
    static readonly Positional Step = new("STEP", "which; the newest", Least: 0);

    public static readonly Verb Verb = new("checkpoint", "look after checkpoints", null)
    {
        Verbs =
        [
            new("list", "each checkpoint, newest first", ListAsync) { Positionals = [Folder],
                Details = "Exit code 3 tells of manifests that cannot be read." },
            new("show", "the manifest of one as JSON", ShowAsync) { Positionals = [Folder, Step] },
            new("verify", "read every byte and compare it with the manifest", VerifyAsync)
            {
                Positionals = [Folder, Step],
                Options = [Option.Flag("all", 'a', "all checkpoints in place of one")],
                Details = "Exit code 3 tells of damage.",
            },
            new("prune", "delete old checkpoints, never the last one that was found whole", PruneAsync)
            {
                Positionals = [Folder],
                Options =
                [
                    Option.Of("keep-last", '\0', "N", "keep the newest N"),
                        Option.Of("keep-every", '\0', "STEPS", "keep steps that can be divided by this"),
                    Option.Of("grace", '\0', "TIME", "shards without a manifest that are younger stay (1d)"), Common.DryRun,
                ],
                Examples = ["s3dlio checkpoint prune --keep-last 3 --keep-every 1000 -n s3://bucket/run1"],
            },
            Conversions.Verb,
        ],
    };

    static async Task<int> ListAsync(Invocation run)
    {
        var store = run.Stores.Folder(run.Arguments[0]);
        var catalog = await CheckpointCatalog.ReadAllAsync(store, null, run.Cancel);
        foreach (var found in catalog.Found)
        {
            var manifest = found.Manifest;
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("manifest", found.Key);
                    json.WriteNumber("step", manifest.Step);
                    json.WriteNumber("epoch", manifest.Epoch);
                    json.WriteString("time", JsonText.Time(manifest.WallTime));
                    json.WriteString("framework", manifest.Framework);
                    json.WriteNumber("shards", manifest.Shards.Count);
                    json.WriteNumber("world_size", manifest.WorldSize);
                    json.WriteNumber("bytes", manifest.TotalSize);
                    json.WriteBoolean("complete", manifest.IsComplete);
                });
            }
            else
            {
                run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                    $"step {manifest.Step,-10} {JsonText.Time(manifest.WallTime)} {Quantity.Show(manifest.TotalSize),10} "
                        + $"{manifest.Shards.Count,5}/{manifest.WorldSize} shards {(manifest.IsComplete ? "complete" : "INCOMPLETE")} "
                        + $"{Quoted.Name(found.Key)}"));
            }
        }
        foreach (var skipped in catalog.Skipped)
            run.Terminal.Failure(skipped.Reason);
        run.Terminal.Note($"{catalog.Found.Count} checkpoints");
        return catalog.Skipped.Count > 0 ? ExitCode.Differences : run.Outcome;
    }

    static async ValueTask<FoundManifest> FindAsync(Invocation run, ObjectStore store)
    {
        long? step = run.Arguments.Count < 2 ? null
            : long.TryParse(run.Arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number
            : throw new UsageException($"'{run.Arguments[1]}' is no step");
        var found = step is null
            ? (await CheckpointCatalog.NewestAsync(store, run.Cancel)).Found
            : (await CheckpointCatalog.ReadAllAsync(store, step, run.Cancel)).Complete.FirstOrDefault();
        return found ?? throw new StoreException(ErrorKind.NotFound, run.Arguments[0], step is null ? "there is no complete checkpoint"
            : $"there is no complete checkpoint of step {step}");
    }

    static async Task<int> ShowAsync(Invocation run)
    {
        var found = await FindAsync(run, run.Stores.Folder(run.Arguments[0]));
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, JsonText.Options with { Indented = !run.Terminal.Json }))
        {
            json.WriteStartObject();
            json.WriteString("manifest", found.Key);
            ManifestJson.WriteMembers(json, found.Manifest);
            json.WriteEndObject();
        }
        run.Terminal.Bytes(buffer.ToArray());
        run.Terminal.Bytes("\n"u8);
        return run.Outcome;
    }

    static async Task<int> VerifyAsync(Invocation run)
    {
        var store = run.Stores.Folder(run.Arguments[0]);
        var wanted = run.Has("all") ? (await CheckpointCatalog.ReadAllAsync(store, null, run.Cancel)).Complete.ToArray()
            : [await FindAsync(run, store)];
        bool whole = true;
        run.Terminal.Progress.Start();
        foreach (var found in wanted)
        {
            var report = await CheckpointValidation.RunAsync(store, found.Key, run.Terminal.Progress, run.Cancel);
            whole &= report.IsWhole;
            foreach (var finding in report.Findings)
                run.Terminal.Line($"damaged: rank {finding.Rank}: {Quoted.Text(finding.Error.Message)}");
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json =>
                {
                    json.WriteString("manifest", found.Key);
                    json.WriteBoolean("whole", report.IsWhole);
                    json.WriteNumber("bytes", report.Bytes);
                    json.WriteNumber("findings", report.Findings.Count);
                    json.WriteNumber("unchecked", report.Unchecked.Count);
                });
            }
            else
            {
                run.Terminal.Note($"step {found.Manifest.Step}: {(report.IsWhole ? "whole" : "DAMAGED")}, {Quantity.Show(report.Bytes)} "
                    + $"read{(report.Unchecked.Count > 0 ? $", {report.Unchecked.Count} shards with nothing recorded" : "")}");
            }
        }
        return whole ? run.Outcome : ExitCode.Differences;
    }

    static async Task<int> PruneAsync(Invocation run)
    {
        var rule = new RetentionRule
        {
            KeepLast = run.Text("keep-last") is null ? throw new UsageException("checkpoint prune: say how many stay, with --keep-last")
                : run.Integer("keep-last", 1, 1, int.MaxValue),
            KeepEvery = run.Text("keep-every") is null ? null : run.Integer("keep-every", 1, 1, int.MaxValue),
            Grace = run.Text("grace") is { } grace ? Quantity.Duration(grace, "--grace") : TimeSpan.FromDays(1),
            DryRun = run.Has("dry-run"),
        };
        var report = await Retention.RunAsync(run.Stores.Folder(run.Arguments[0]), rule, Unheard.Instance, run.Cancel);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                foreach (var (name, keys) in new[] { ("deleted", report.Deleted), ("kept", report.Kept), ("collected", report.Collected) })
                {
                    json.WriteStartArray(name);
                    foreach (string key in keys)
                        json.WriteStringValue(key);
                    json.WriteEndArray();
                }
            });
            return run.Outcome;
        }
        foreach (string key in report.Deleted.Concat(report.Collected))
            run.Terminal.Line($"{(rule.DryRun ? "would delete" : "deleted")} {Quoted.Name(key)}");
        run.Terminal.Note($"{report.Kept.Count} kept, {report.Deleted.Count} "
            + $"{(rule.DryRun ? "to delete" : "deleted")}{(report.Verified is null ? "" : $", found whole: {report.Verified}")}");
        return run.Outcome;
    }
}
