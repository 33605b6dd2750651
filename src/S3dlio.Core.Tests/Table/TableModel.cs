using System.Runtime.InteropServices;
using S3dlio.IO;
using Xunit;

namespace S3dlio.Table;

/// <summary>What a table has to answer: a dictionary, and the rules written as plainly as can be.</summary>
sealed class TableModel(Optimizer optimizer, int dimension)
{
    readonly Dictionary<long, (float[] Row, float[] First, float[] Second)> _rows = [];

    public long Step { get; private set; }

    public Dictionary<string, long> Sessions { get; private init; } = [];

    public int Count => _rows.Count;

    public IEnumerable<long> Keys => _rows.Keys;

    public float[]? Row(long key) => _rows.TryGetValue(key, out var one) ? one.Row : null;

    public TableModel Copy()
    {
        var copy = new TableModel(optimizer, dimension) { Step = Step, Sessions = new(Sessions) };
        foreach (var (key, (row, first, second)) in _rows)
            copy._rows[key] = ([.. row], [.. first], [.. second]);
        return copy;
    }

    public void Apply(string session, long serial, long[] keys, float[] gradients)
    {
        Step++;
        Sessions[session] = serial;
        var sums = new Dictionary<long, float[]>();
        for (int i = 0; i < keys.Length; i++)
        {
            var gradient = gradients.AsSpan(i * dimension, dimension);
            if (!sums.TryGetValue(keys[i], out float[]? sum))
                sums[keys[i]] = gradient.ToArray();
            else
                for (int j = 0; j < dimension; j++)
                    sum[j] += gradient[j];
        }
        foreach (var (key, gradient) in sums)
        {
            var one = Of(key);
            Train(one.Row, one.First, one.Second, gradient);
        }
    }

    public void Upsert(string session, long serial, long[] keys, float[] rows)
    {
        Sessions[session] = serial;
        for (int i = 0; i < keys.Length; i++)
            rows.AsSpan(i * dimension, dimension).CopyTo(Of(keys[i]).Row);
    }

    public long Delete(string session, long serial, long[] keys)
    {
        Sessions[session] = serial;
        return keys.Distinct().Count(_rows.Remove);
    }

    /// <summary>Each key has to have a row.</summary>
    public void Evict(List<long> keys) => Assert.All(keys, key => Assert.True(_rows.Remove(key), $"{key} was evicted and has no row"));

    (float[] Row, float[] First, float[] Second) Of(long key)
    {
        if (!_rows.TryGetValue(key, out var one))
        {
            one = (new float[dimension], new float[dimension], new float[dimension]);
            if (optimizer.Rule is UpdateRule.Adagrad or UpdateRule.RowwiseAdagrad)
                Array.Fill(one.First, optimizer.InitialSum);
            _rows[key] = one;
        }
        return one;
    }

    void Train(float[] row, float[] first, float[] second, float[] gradient)
    {
        var g = gradient.Select(one => (double)one).ToArray();
        if (optimizer.ClipValue > 0)
            g = [.. g.Select(one => Math.Clamp(one, -optimizer.ClipValue, optimizer.ClipValue))];
        if (optimizer.ClipNorm > 0 && Math.Sqrt(g.Sum(one => one * one)) is var norm && norm > optimizer.ClipNorm)
            g = [.. g.Select(one => one * optimizer.ClipNorm / norm)];
        for (int i = 0; i < dimension; i++)
            g[i] += optimizer.WeightDecay * (double)row[i];
        double mean = g.Sum(one => one * one) / dimension;
        double lr = optimizer.LearningRate / (1 + ((Step - 1) * (double)optimizer.RateDecay));
        double bias1 = 1 - Math.Pow(optimizer.Beta1, Step), bias2 = 1 - Math.Pow(optimizer.Beta2, Step);
        double adam = optimizer.LearningRate * Math.Sqrt(bias2) / bias1;
        if (optimizer.Rule == UpdateRule.RowwiseAdagrad)
            first[0] += (float)mean;
        if (optimizer.Rule == UpdateRule.RowwiseAdam)
            second[0] = (float)((optimizer.Beta2 * second[0]) + ((1 - optimizer.Beta2) * mean));
        for (int i = 0; i < dimension; i++)
        {
            double change;
            switch (optimizer.Rule)
            {
                case UpdateRule.Add:
                    change = g[i];
                    break;
                case UpdateRule.Sgd:
                    first[i] = (float)((optimizer.Momentum * first[i]) + g[i]);
                    change = -lr * (optimizer.Momentum > 0 ? first[i] : g[i]);
                    break;
                case UpdateRule.Adagrad:
                    first[i] += (float)(g[i] * g[i]);
                    change = -lr * g[i] / (Math.Sqrt(first[i]) + optimizer.Epsilon);
                    break;
                case UpdateRule.RowwiseAdagrad:
                    change = -lr * g[i] / (Math.Sqrt(first[0]) + optimizer.Epsilon);
                    break;
                default:
                    first[i] = (float)((optimizer.Beta1 * first[i]) + ((1 - optimizer.Beta1) * g[i]));
                    if (optimizer.Rule == UpdateRule.Adam)
                        second[i] = (float)((optimizer.Beta2 * second[i]) + ((1 - optimizer.Beta2) * g[i] * g[i]));
                    change = -adam * first[i] / (Math.Sqrt(second[optimizer.Rule == UpdateRule.Adam ? i : 0]) + optimizer.Epsilon);
                    break;
            }
            row[i] = (float)(row[i] + change);
        }
    }
}

/// <summary>Tables that tests open, and what they ask of them.</summary>
static class Tables
{
    public const int Dimension = 5;

    public static TableOptions Small(UpdateRule rule = UpdateRule.Add) => new()
    {
        Dimension = Dimension,
        Optimizer = new Optimizer { Rule = rule, LearningRate = 0.1f, Epsilon = 1e-6f },
        Memory = TableOptions.LeastMemory,
        PageTarget = 4096,
        Shards = 2,
        SegmentSize = 1 << 20,
        Keep = 0,
    };

    public static SimulatedDisk NewDisk()
    {
        var disk = new SimulatedDisk();
        disk.CreateDirectory("");
        disk.CreateDirectory("/t");
        return disk;
    }

    public static float[] Lookup(this EmbeddingTable table, params long[] keys)
    {
        var rows = new byte[keys.Length * table.RowBytes];
        table.Lookup(keys, rows, [], default);
        var numbers = new float[keys.Length * table.Options.Dimension];
        for (int i = 0; i < keys.Length; i++)
            RowNumbers.ToFloats(
                rows.AsSpan(i * table.RowBytes, table.RowBytes),
                numbers.AsSpan(i * table.Options.Dimension, table.Options.Dimension), table.Options.Type);
        return numbers;
    }

    public static void Apply(this EmbeddingTable table, long[] keys, float[] gradients, string session = "a", long serial = -1) =>
        Assert.True(table.Apply(session, serial, keys, gradients, OnReplay.Raise, default, out _));

    public static void Upsert(this EmbeddingTable table, long[] keys, float[] rows, string session = "a", long serial = -1) =>
        Assert.True(table.Upsert(session, serial, keys, MemoryMarshal.AsBytes(rows.AsSpan()), OnReplay.Raise, default, out _));

    /// <summary>Compares every row of the model, and that keys it does not have are not there.</summary>
    public static void Check(this EmbeddingTable table, TableModel model, float tolerance = 0)
    {
        Assert.Equal(model.Count, table.Count);
        Assert.Equal(model.Step, table.Step);
        Assert.Equal(model.Sessions.OrderBy(one => one.Key), table.Sessions.OrderBy(one => one.Key));
        long[] keys = [.. model.Keys];
        var rows = table.Lookup(keys);
        int dimension = table.Options.Dimension;
        for (int i = 0; i < keys.Length; i++)
        {
            var expected = model.Row(keys[i])!;
            for (int j = 0; j < dimension; j++)
            {
                float found = rows[(i * dimension) + j];
                if (!(Math.Abs(found - expected[j]) <= tolerance * Math.Max(1, Math.Abs(expected[j]))))
                    Assert.Fail($"key {keys[i]}, number {j}: expected {expected[j]}, found {found}");
            }
        }
    }
}
