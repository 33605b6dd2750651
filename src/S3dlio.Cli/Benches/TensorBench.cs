using S3dlio.Checkpoint;
using S3dlio.Cli.Addresses;
using S3dlio.Cli.CommandLine;
using S3dlio.OpLog;
using S3dlio.Storage;
using S3dlio.Tensors;
using S3dlio.Transfer;

namespace S3dlio.Cli.Benches;

/// <summary><c>bench tensors</c> and <c>bench checkpoint</c>: models saved from memory and loaded into it, again and again.</summary>
sealed class TensorBench
{
    readonly Invocation _run;
    readonly Place _place;
    readonly Measurement _measurement;
    readonly string _prefix;
    readonly int _rounds;
    readonly LargeMemory[] _tensors;
    readonly TensorSpec[] _specs;

    TensorBench(Invocation run)
    {
        _run = run;
        _place = run.Stores.Open(run.Arguments[0], wildcards: false);
        _measurement = new Measurement(run) { RunsAlone = true };
        _prefix = $"{_place.Prefix}s3dlio-bench-{Guid.NewGuid():n}/";
        _rounds = run.Integer("rounds", 5, 1, 1_000_000);
        int count = run.Integer("tensors", 32, 1, 100_000);
        long each = Math.Max(1, run.Size("size", 256 << 20) / count / sizeof(float));
        if (each * sizeof(float) > Array.MaxLength)
            throw new UsageException($"--size: a tensor has at most {Array.MaxLength} bytes here; use more --tensors");
        _tensors = [.. Enumerable.Range(0, count).Select(i => LargeMemory.From(new Fresh(each * sizeof(float), (ulong)i + 1, 1)
            .Next(each * sizeof(float))))];
        _specs = [.. Enumerable.Range(0, count).Select(i => new TensorSpec($"layers.{i:00000}.weight", DType.F32, [each]))];
    }

    public static Task<int> TensorsAsync(Invocation run) => MeasureAsync(run, "tensors", static (bench, round) => bench.FileAsync(round));

    public static Task<int> CheckpointAsync(Invocation run) =>
        MeasureAsync(run, "checkpoint", static (bench, round) => bench.CheckpointAsync(round));

    static async Task<int> MeasureAsync(Invocation run, string what, Func<TensorBench, int, Task> round)
    {
        Measurement.Check(run);
        var bench = new TensorBench(run);
        try
        {
            run.Terminal.Progress.Start();
            // the first is warm-up
            await round(bench, 0);
            bench._measurement.Begin();
            for (int i = 1; i <= bench._rounds; i++)
                await round(bench, i);
            bench._measurement.End();
            return bench._measurement.Tell(
                $"{what} of {Quantity.Show(bench._tensors.Sum(static one => one.Length))} at {bench._place}",
                bench._place.Store.Root.IsLocal);
        }
        finally
        {
            if (!run.Has("keep"))
                await ObjectBench.RemoveAsync(run, bench._place, bench._prefix);
        }
    }

    PutOptions Options => PutOptions.Default with { Durable = _run.Has("durable") };

    async Task FileAsync(int round)
    {
        string key = $"{_prefix}model-{round % 2}.safetensors", address = _place.Address(key);
        bool isSaved = await _measurement.TimeAsync("SAVE", address, async () => ((await SafetensorsObject.SaveAsync(
            _place.Store, key, _specs, _tensors, null, checksums: true, null, Options, _run.Terminal.Progress, _run.Cancel))
            .Stored.Size, null));
        if (!isSaved)
            return;
        await _measurement.TimeAsync("LOAD", address, async () =>
        {
            await using var file = await SafetensorsObject.OpenAsync(_place.Store, key, _run.Cancel);
            long first = OpClock.Now;
            var targets = file.Header.Tensors.Select((tensor, i) => (i, LargeMemory.From(new byte[tensor.Length].AsMemory()))).ToArray();
            await file.ReadAsync(targets, new Validation(null), _run.Terminal.Progress, _run.Cancel);
            return (file.Meta.Size, first);
        });
    }

    async Task CheckpointAsync(int round)
    {
        var store = _run.Stores.Folder(_place.Address(_prefix.TrimEnd('/')));
        int ranks = _run.Integer("ranks", 2, 1, Math.Min(4096, _tensors.Length));
        string address = $"{_place.Address(_prefix)}step {round}";
        CommitResult? committed = null;
        await _measurement.TimeAsync("SAVE", address, async () =>
        {
            var save = await SaveClaim.AgreeAsync(store, round, null, null, _run.Cancel);
            var shards = await Task.WhenAll(Enumerable.Range(0, ranks).Select(async rank => (await ShardWrite.PutAsync(
                store, new ShardTarget { Step = round, Save = save, Rank = rank }, [.. Of(_specs, rank, ranks)],
                [.. Of(_tensors, rank, ranks)], null, _run.Terminal.Progress, _run.Cancel)).Shard));
            committed = await CheckpointCommit.RunAsync(
                store, new CommitRequest { Step = round, Epoch = 0, Framework = "bench", WorldSize = ranks, Shards = shards }, _run.Cancel);
            return (shards.Sum(static shard => shard.Size), null);
        });
        if (committed is null)
            return;
        await _measurement.TimeAsync("LOAD", address, async () =>
        {
            var (found, _) = await CheckpointCatalog.NewestAsync(store, _run.Cancel);
            long first = OpClock.Now;
            await Task.WhenAll((found ?? committed.Found).Manifest.Shards.Select(async shard => await ShardRead.RunAsync(
                store, shard, static size => LargeMemory.From(new byte[size].AsMemory()), validate: true, _run.Terminal.Progress,
                _run.Cancel)));
            return (committed.Found.Manifest.Shards.Sum(static shard => shard.Size), first);
        });
        // one is left to come back to, as training has it
        if (round > 0)
            await CheckpointDelete.OfStepAsync(store, round - 1, _run.Cancel);
    }

    static IEnumerable<T> Of<T>(IReadOnlyList<T> all, int rank, int ranks) => all.Where((_, i) => i % ranks == rank);
}
