using S3dlio.IO;
using S3dlio.Segments;
using S3dlio.Storage;

namespace S3dlio.Table;

public sealed partial class EmbeddingTable
{
    EmbeddingTable(Disk disk, string directory, TableOptions options, IDisposable? held)
    {
        (_disk, Directory, _lock) = (disk, directory, held);
        var damage = new List<string>();
        EmptyParts? parts = null;
        _newest = TableRecovery.Choose(disk, directory, options, damage, manifest =>
        {
            parts?.Dispose();
            parts = null;
            CheckOptions(directory, options, manifest);
            var made = new EmptyParts(disk, directory, manifest, options);
            try
            {
                TableRecovery.Load(disk, directory, manifest, made.Layout, made.Files, made.Shards, _deletionsIn, options);
                parts = made;
                return null;
            }
            catch (Exception error)
            {
                made.Dispose();
                _deletionsIn.Clear();
                if (error is StoreException || TableErrors.IsOurs(error))
                    return TableErrors.Translate(error, directory);
                throw;
            }
        });
        (_layout, _arena, _files, _shards) = (parts!.Layout, parts.Arena, parts.Files, parts.Shards);
        (_step, Damage) = (_newest.Step, damage);
        _hasLeftMemory = _newest.Shards.Any(shard => shard.Pages > 0);
        (_page, _gathered) = (new byte[_layout.FileBytes(_layout.RowsPerPage)], new GatheredRows?[_shards.Length]);
        foreach (var shard in _shards)
            shard.Moment = checked((uint)_newest.Moment + 1);
        foreach (var (name, serial) in _newest.Sessions)
            _sessions[name] = new Session { Serial = serial };
        var optimizer = options.TakesAll ? _newest.Optimizer : options.Optimizer;
        Options = options with
        {
            Dimension = _newest.Dimension,
            Type = _newest.Type,
            Optimizer = optimizer,
            Initializer = _newest.Initializer,
            Shards = _shards.Length,
        };
        long least = LeastMemory(_layout, _shards.Length);
        if (options.Memory < least)
        {
            Dispose();
            throw new StoreException(
                ErrorKind.InvalidArgument, directory,
                $"expected at least {least} bytes of memory (two pages of {_layout.PageBytes} bytes for each of {_shards.Length}"
                + $" shards), found {options.Memory}");
        }
    }

    /// <summary>The parts of a table before anything is in them.</summary>
    sealed class EmptyParts : IDisposable
    {
        public EmptyParts(Disk disk, string directory, TableManifest manifest, TableOptions options)
        {
            Layout = new RowLayout(
                manifest.Dimension, manifest.Type, RowUpdate.SlotsOf(manifest.Optimizer, manifest.Dimension), manifest.RowsPerPage,
                manifest.HasTimes);
            Arena = new PageArena(Layout.PageBytes);
            Files = new PageFiles(disk, directory, manifest.Table, options.SegmentSize);
            Shards = [.. manifest.Shards.Select((shard, i) => new Shard(i, Layout, Arena, shard.Rows))];
        }

        public RowLayout Layout { get; }

        public PageArena Arena { get; }

        public PageFiles Files { get; }

        public Shard[] Shards { get; }

        public void Dispose()
        {
            foreach (var shard in Shards)
                shard.Dispose();
            Arena.Dispose();
            Files.Dispose();
        }
    }

    /// <summary>Opens a table from its newest checkpoint, or makes an empty one.</summary>
    /// <exception cref="StoreException">
    /// Unavailable: another writer has it. NotFound: it is not there. InvalidArgument: the options and the table disagree.
    /// ChecksumMismatch, InvalidData: the checkpoint is damaged; the error names the file and the field.
    /// </exception>
    public static EmbeddingTable Open(string directory, TableOptions options) =>
        Open(LocalDisk.Shared, Path.GetFullPath(directory), options);

    /// <summary>The checkpoints of a table that others may have open, oldest first.</summary>
    public static IReadOnlyList<TableCheckpoint> Checkpoints(string directory) =>
        TableRecovery.Checkpoints(LocalDisk.Shared, Path.GetFullPath(directory));

    internal static EmbeddingTable Open(Disk disk, string directory, TableOptions options)
    {
        Validate(directory, options);
        try
        {
            if (options.IsReadOnly)
                return new EmbeddingTable(disk, directory, options, null);
            if (options.Create)
                disk.CreateDirectoryDurably(directory);
            var held = TableFolder.Lock(disk, directory);
            try
            {
                TableFolder.Clean(disk, directory);
                if (TableRecovery.Manifests(disk, directory).Count == 0)
                    TableRecovery.WriteManifest(disk, directory, Empty(directory, options));
                var table = new EmbeddingTable(disk, directory, options, held);
                TableFolder.RemoveOthers(disk, directory, table._newest.Version);
                return table;
            }
            catch
            {
                held.Dispose();
                throw;
            }
        }
        catch (DiskException error) when (error.IsMissing)
        {
            throw TableRecovery.Missing(directory);
        }
        catch (Exception error) when (TableErrors.IsOurs(error))
        {
            throw TableErrors.Translate(error, directory);
        }
    }

    static TableManifest Empty(string directory, TableOptions options)
    {
        if (!options.Create)
            throw TableRecovery.Missing(directory);
        if (options.Dimension is < 1 or > TableOptions.MostDimension)
            throw Wrong(
                directory, $"expected a dimension from 1 to {TableOptions.MostDimension} for a new table, found {options.Dimension}");
        int slots = RowUpdate.SlotsOf(options.Optimizer, options.Dimension);
        return new TableManifest
        {
            Table = Guid.NewGuid(),
            Version = 0,
            Parent = -1,
            Created = SegmentHeader.Now(),
            Dimension = options.Dimension,
            Type = options.Type,
            Optimizer = options.Optimizer,
            Initializer = options.Initializer,
            RowsPerPage = RowLayout.RowsFor(options.Dimension, options.Type, slots, options.TimeToLive > 0, options.PageTarget),
            HasTimes = options.TimeToLive > 0,
            Moment = 0,
            Step = 0,
            NewBytes = 0,
            Sessions = new Dictionary<string, long>(),
            Shards = [.. Enumerable.Repeat(new ManifestShard(0, 0), options.Shards == 0 ? TableOptions.UsualShards : options.Shards)],
            Segments = [],
        };
    }

    static void Validate(string directory, TableOptions options)
    {
        var optimizer = options.Optimizer;
        if (options.Shards is < 0 or > TableOptions.MostShards || (options.Shards & (options.Shards - 1)) != 0)
            throw Wrong(directory, $"expected a power of two from 1 to {TableOptions.MostShards} as shards, found {options.Shards}");
        if (options.Dimension is < 0 or > TableOptions.MostDimension)
            throw Wrong(directory, $"expected a dimension from 1 to {TableOptions.MostDimension}, found {options.Dimension}");
        if (options.Memory < TableOptions.LeastMemory)
            throw Wrong(directory, $"expected at least {TableOptions.LeastMemory} bytes of memory, found {options.Memory}");
        if (options.SegmentSize is < 1 << 20 or > 1L << 39)
            throw Wrong(directory, $"expected a segment size from {1 << 20} to {1L << 39} bytes, found {options.SegmentSize}");
        if (options.Keep < 0)
            throw Wrong(directory, $"expected 0 or more checkpoints to keep, found {options.Keep}");
        if (options.TimeToLive < 0)
            throw Wrong(directory, $"expected a time to live of 0 or more seconds, found {options.TimeToLive}");
        if (options.AdmitAfter is < 0 or > TableOptions.MostSightings)
            throw Wrong(
                directory, $"expected 0 to {TableOptions.MostSightings} sightings before a key gets a row, found {options.AdmitAfter}");
        foreach (var (name, number, least, below) in new[]
        {
            ("lr", optimizer.LearningRate, 0f, float.PositiveInfinity), ("momentum", optimizer.Momentum, 0f, 1f),
            ("beta1", optimizer.Beta1, 0f, 1f),
            ("beta2", optimizer.Beta2, 0f, 1f), ("eps", optimizer.Epsilon, 0f, float.PositiveInfinity),
            ("weight_decay", optimizer.WeightDecay, 0f, float.PositiveInfinity),
            ("initial_sum", optimizer.InitialSum, 0f, float.PositiveInfinity),
            ("rate_decay", optimizer.RateDecay, 0f, float.PositiveInfinity), ("clip_norm", optimizer.ClipNorm, 0f, float.PositiveInfinity),
            ("clip_value", optimizer.ClipValue, 0f, float.PositiveInfinity),
        })
        {
            if (!(number >= least && number < below))
                throw Wrong(directory, $"expected {name} from {least} to below {below}, found {number}");
        }
        if (!float.IsFinite(options.Initializer.Low) || !float.IsFinite(options.Initializer.High))
            throw Wrong(directory, "expected finite numbers for the initial rows");
    }

    static void CheckOptions(string directory, TableOptions options, TableManifest manifest)
    {
        if (options.TimeToLive > 0 && !manifest.HasTimes)
            throw NoTimes(directory);
        if (options.TakesAll)
            return;
        var (asked, has) = (options.Optimizer, manifest.Optimizer);
        if (options.Dimension != 0 && options.Dimension != manifest.Dimension)
            throw Wrong(directory, $"the table has rows of {manifest.Dimension} numbers, {options.Dimension} were asked for");
        if (options.Type != manifest.Type)
            throw Wrong(
                directory, $"the table has {TableManifest.NameOf(manifest.Type)}, {TableManifest.NameOf(options.Type)} was asked for");
        if (asked.Rule != has.Rule || (asked.Momentum > 0) != (has.Momentum > 0))
            throw Wrong(
                directory, $"the table is trained by {TableManifest.NameOf(has.Rule)}{(has.Momentum > 0 ? " with momentum" : "")},"
                + $" {TableManifest.NameOf(asked.Rule)}{(asked.Momentum > 0 ? " with momentum" : "")} was asked for");
        if (options.Initializer != manifest.Initializer)
            throw Wrong(directory, "the table has other initial rows or another seed than were asked for");
        if (options.Shards != 0 && options.Shards != manifest.Shards.Count)
            throw Wrong(directory, $"the table has {manifest.Shards.Count} shards, {options.Shards} were asked for");
    }

    /// <summary>Two pages for each shard: one that grows, one that is written.</summary>
    static long LeastMemory(RowLayout layout, int shards) => Math.Max(TableOptions.LeastMemory, 2L * shards * layout.PageBytes);

    static StoreException NoTimes(string directory) => Wrong(
        directory, "the table was made without a time to live, so its rows have no times; make one with ttl and copy the rows into it");

    static StoreException Wrong(string directory, string detail) => new(ErrorKind.InvalidArgument, directory, detail);
}
