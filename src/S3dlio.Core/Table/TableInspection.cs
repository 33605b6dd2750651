using S3dlio.IO;

namespace S3dlio.Table;

/// <summary>Something of a table that is not as it should be.</summary>
/// <param name="Path">The file.</param>
/// <param name="Offset">In it, where that is known.</param>
/// <param name="What">Expected and found.</param>
public sealed record TableFinding(string Path, long? Offset, string What);

/// <summary>A file of rows.</summary>
/// <param name="Name">Relative to the table.</param>
/// <param name="Length">Bytes that the manifest says.</param>
/// <param name="NamedBy">The checkpoints that name it.</param>
public sealed record TableFile(string Name, long Length, IReadOnlyList<long> NamedBy);

/// <summary>What a table's directory has.</summary>
public sealed record TableReport
{
    public required string Directory { get; init; }

    public required Guid Table { get; init; }

    /// <summary>The writer that has it open, in words; null when none has.</summary>
    public required string? Writer { get; init; }

    public required int Dimension { get; init; }

    public required RowType Type { get; init; }

    public required Optimizer Optimizer { get; init; }

    public required Initializer Initializer { get; init; }

    public required int Shards { get; init; }

    public required int RowsPerPage { get; init; }

    public required IReadOnlyList<TableCheckpoint> Checkpoints { get; init; }

    public required IReadOnlyList<TableFile> Files { get; init; }

    /// <summary>Rows whose checksums were compared.</summary>
    public required long RowsChecked { get; init; }

    public required IReadOnlyList<TableFinding> Findings { get; init; }

    public bool IsWhole => Findings.Count == 0;
}

/// <summary>Looks at a table without changing it; it may be open elsewhere.</summary>
public static class TableInspection
{
    /// <param name="directory">The table.</param>
    /// <param name="checks">True: reads and compares every byte of every file that a checkpoint names.</param>
    /// <param name="cancel">Heard between files.</param>
    /// <exception cref="StoreException">NotFound: there is no table.</exception>
    public static TableReport Inspect(string directory, bool checks, CancellationToken cancel) =>
        Inspect(LocalDisk.Shared, Path.GetFullPath(directory), checks, cancel);

    internal static TableReport Inspect(Disk disk, string directory, bool checks, CancellationToken cancel)
    {
        try
        {
            return Look(disk, directory, checks, cancel);
        }
        catch (DiskException error)
        {
            throw error.IsMissing ? TableRecovery.Missing(directory) : TableErrors.Translate(error, directory);
        }
    }

    static TableReport Look(Disk disk, string directory, bool checks, CancellationToken cancel)
    {
        var findings = new List<TableFinding>();
        var manifests = new List<TableManifest>();
        var versions = TableRecovery.Manifests(disk, directory);
        StoreException? first = null;
        foreach (long version in versions)
        {
            try
            {
                manifests.Add(TableRecovery.ReadManifest(disk, directory, version));
            }
            catch (StoreException error)
            {
                first ??= error;
                findings.Add(new TableFinding(error.Uri, error.Offset, error.Detail));
            }
        }
        if (manifests.Count == 0)
            throw first ?? TableRecovery.Missing(directory);
        long rows = 0;
        foreach (var manifest in manifests)
            rows += Check(disk, directory, manifest, checks && manifest == manifests[^1], findings, cancel);
        var files = manifests.SelectMany(manifest => manifest.Segments.Select(segment => (segment, manifest.Version)))
            .GroupBy(one => one.segment.Name, StringComparer.Ordinal)
            .Select(group => new TableFile(group.Key, group.First().segment.Length, [.. group.Select(one => one.Version)]))
            .OrderBy(file => file.Name, StringComparer.Ordinal).ToArray();
        var newest = manifests[^1];
        return new TableReport
        {
            Directory = directory,
            Table = newest.Table,
            Writer = disk.Holder($"{directory}/LOCK"),
            Dimension = newest.Dimension,
            Type = newest.Type,
            Optimizer = newest.Optimizer,
            Initializer = newest.Initializer,
            Shards = newest.Shards.Count,
            RowsPerPage = newest.RowsPerPage,
            Checkpoints = [.. manifests.Where(one => one.Version > 0).Select(TableCheckpoint.Of)],
            Files = files,
            RowsChecked = rows,
            Findings = [.. findings.DistinctBy(one => (one.Path, one.Offset, one.What))],
        };
    }

    /// <summary>Opens a checkpoint for reading; with <paramref name="rows"/> reads every row of it.</summary>
    static long Check(Disk disk, string directory, TableManifest manifest, bool rows, List<TableFinding> findings, CancellationToken cancel)
    {
        cancel.ThrowIfCancellationRequested();
        if (manifest.Version == 0)
            return 0;
        long read = 0;
        try
        {
            var options = new TableOptions
            {
                TakesAll = true,
                IsReadOnly = true,
                Version = manifest.Version,
                Memory = long.MaxValue / 16,
                ChecksAll = rows,
            };
            using var table = EmbeddingTable.Open(disk, directory, options);
            if (!rows)
                return 0;
            using var scan = table.Scan(cancel);
            var keys = new long[1024];
            var bytes = new byte[keys.Length * table.RowBytes];
            for (int count; (count = scan.Next(keys, bytes)) > 0; read += count)
                cancel.ThrowIfCancellationRequested();
        }
        catch (StoreException error)
        {
            findings.Add(new TableFinding(error.Uri, error.Offset, error.Detail));
        }
        return read;
    }
}
