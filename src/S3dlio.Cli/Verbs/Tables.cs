using System.Globalization;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Table;

namespace S3dlio.Cli.Verbs;

/// <summary><c>table</c>: what embedding tables hold, and their care.</summary>
static partial class Tables
{
    static readonly Positional Path = new("PATH", "the table: a folder on this machine");

    static readonly Option Version = Option.Of("checkpoint", 'c', "N", "as of this checkpoint (the newest)");

    public static readonly Verb Verb = new("table", "look into embedding tables, check and export them", null)
    {
        Verbs =
        [
            new("inspect", "what the files of a table say, without its lock", InspectAsync)
            {
                Positionals = [Path],
                Details = "Also while the table is trained. Exit code 3 tells of damage that shows without reading rows; 'table verify' "
                    + "reads them. --json has checkpoints, sessions and files.",
                Examples = ["s3dlio table inspect /nvme/items"],
            },
            new("verify", "read every row of the newest checkpoint and compare it with its checksum", VerifyAsync)
            {
                Positionals = [Path],
                Details = "Changes nothing. Exit code 3 tells of damage, with file and offset.",
            },
            new("checkpoints", "the checkpoints, with their rows, bytes and sessions", CheckpointsAsync)
            {
                Positionals = [new("PATH", "the table, or where its checkpoints were copied to in a store")],
                Examples = ["s3dlio table checkpoints /nvme/items", "s3dlio table checkpoints --json s3://bucket/run/items"],
            },
            new("export", "write keys and rows to a file or object", ExportAsync)
            {
                Positionals =
                [
                    Path,
                    new("OUTPUT", "NAME.safetensors, NAME.npy for the pair NAME.keys.npy and NAME.rows.npy, NAME.jsonl, or '-' for lines"),
                ],
                Options = [Version],
                Details = "What the optimizer keeps is left out. A line is an object with key and row. Each output appears "
                    + "when it is whole.",
                Examples = ["s3dlio table export /nvme/items s3://bucket/items.safetensors", "s3dlio table export /nvme/items - | head"],
            },
            new("compact", "copy live rows out of files that are mostly dead, and make a checkpoint", CompactAsync)
            {
                Positionals = [Path],
                Options =
                [
                    Option.Of("live", '\0', "SHARE", "files in which a smaller share of the rows is live (0.5)"),
                    Option.Of("keep", '\0', "N", "checkpoints that stay (2); older ones name the files that are to go"),
                ],
                Details = "Nobody else may have the table open for changing.",
                Examples = ["s3dlio table compact --live 0.7 --keep 1 /nvme/items"],
            },
            new("top", "the rows with the greatest norm", TopAsync)
            {
                Positionals = [Path],
                Options =
                [
                    Option.Of("count", 'n', "N", "so many rows (10)"), Option.Flag("least", '\0', "those with the smallest norm"), Version,
                ],
                Details = "Rows that grew without bound or never moved tell of a rate that is wrong. Rows with numbers that are not "
                    + "finite come first.",
                Examples = ["s3dlio table top -n 20 /nvme/items"],
            },
        ],
    };

    static string LocalFolder(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        return place.IsLocal ? place.LocalFolder
            : throw new UsageException($"{run.Arguments[0]}: a table lies on this machine; bring its folder here with 's3dlio cp -r'");
    }

    static EmbeddingTable OpenReader(Invocation run) => EmbeddingTable.Open(
        LocalFolder(run), new TableOptions { TakesAll = true, IsReadOnly = true, Create = false, Version = run.Number("checkpoint") ?? 0 });

    static Task<int> InspectAsync(Invocation run)
    {
        var report = TableInspection.Inspect(LocalFolder(run), checks: false, run.Cancel);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json => TableJson.WriteMembers(json, report));
            return Ended(run, report);
        }
        var newest = report.Checkpoints.Count > 0 ? report.Checkpoints[^1] : null;
        run.Terminal.Line($"{newest?.Rows ?? 0} rows of {report.Dimension} {TableJson.Name(report.Type)}, {report.Shards} shards");
        run.Terminal.Line($"optimizer: {report.Optimizer.Rule}, initial rows: {report.Initializer.Rows}, seed {report.Initializer.Seed}");
        run.Terminal.Line($"{report.Checkpoints.Count} checkpoint{(report.Checkpoints.Count == 1 ? "" : "s")}, {report.Files.Count} "
            + $"file{(report.Files.Count == 1 ? "" : "s")}, {Quantity.Show(report.Files.Sum(static file => file.Length))}");
        run.Terminal.Line($"state: {(report.Writer is { } writer ? $"open: {Quoted.Text(writer)}" : "closed")}");
        run.Terminal.Line($"id: {report.Table}");
        foreach (var (name, serial) in Sorted(newest))
            run.Terminal.Line($"session {Quoted.Name(name)}: {serial}");
        Tell(run, report);
        return Ended(run, report);
    }

    static Task<int> VerifyAsync(Invocation run)
    {
        var report = TableInspection.Inspect(LocalFolder(run), checks: true, run.Cancel);
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json => TableJson.WriteMembers(json, report));
            return Ended(run, report);
        }
        Tell(run, report);
        run.Terminal.Note($"{(report.IsWhole ? "whole" : "DAMAGED")}: {report.RowsChecked} rows read");
        return Ended(run, report);
    }

    static void Tell(Invocation run, TableReport report)
    {
        foreach (var one in report.Findings)
            run.Terminal.Line($"damaged: {Quoted.Name(one.Path)}{(one.Offset is { } at ? $" at byte {at}" : "")}: {Quoted.Text(one.What)}");
    }

    static Task<int> Ended(Invocation run, TableReport report) => Task.FromResult(report.IsWhole ? run.Outcome : ExitCode.Differences);

    static IEnumerable<KeyValuePair<string, long>> Sorted(TableCheckpoint? checkpoint) =>
        checkpoint is null ? [] : checkpoint.Sessions.OrderBy(static one => one.Key, StringComparer.Ordinal);

    static async Task<int> CheckpointsAsync(Invocation run)
    {
        var place = run.Stores.Open(run.Arguments[0], wildcards: false);
        var found = place.IsLocal ? EmbeddingTable.Checkpoints(place.LocalFolder)
            : await TableTransfer.CheckpointsAsync(place.Store, place.Prefix, run.Cancel);
        foreach (var one in found)
        {
            if (run.Terminal.Json)
            {
                run.Terminal.Object(json => TableJson.WriteMembers(json, one));
                continue;
            }
            var made = DateTimeOffset.UnixEpoch.AddTicks(one.Created / 100);
            run.Terminal.Line(string.Create(CultureInfo.InvariantCulture,
                $"{one.Version,8} {made:yyyy-MM-dd HH:mm:ss} {one.Rows,12} rows {Quantity.Show(one.Bytes),10} ")
                + $"{Quantity.Show(one.NewBytes),10} new "
                + string.Join(' ', Sorted(one).Select(static session => $"{Quoted.Name(session.Key)}={session.Value}")));
        }
        run.Terminal.Note($"{found.Count} checkpoint{(found.Count == 1 ? "" : "s")}");
        return run.Outcome;
    }

    static Task<int> CompactAsync(Invocation run)
    {
        string folder = LocalFolder(run);
        if (!double.TryParse(run.Text("live") ?? "0.5", NumberStyles.Float, CultureInfo.InvariantCulture, out double live)
            || live is not (>= 0 and <= 1))
            throw new UsageException($"--live: a share from 0 to 1 is wanted, found '{run.Text("live")}'");
        int keep = run.Integer("keep", 2, 1, int.MaxValue);
        using var table = EmbeddingTable.Open(folder, new TableOptions { TakesAll = true, Create = false, Keep = keep });
        long before = table.Statistics().DiskBytes, moved = table.Compact(live, run.Cancel);
        table.Checkpoint(waits: true, run.Cancel);
        long after = table.Statistics().DiskBytes;
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("emptied", moved);
                json.WriteNumber("bytes_before", before);
                json.WriteNumber("bytes", after);
                json.WriteNumber("version", table.Version);
            });
        }
        else
        {
            run.Terminal.Note(
                $"files of {Quantity.Show(moved)} have no row any more; {Quantity.Show(before)} before, {Quantity.Show(after)} now");
        }
        return Task.FromResult(run.Outcome);
    }
}
