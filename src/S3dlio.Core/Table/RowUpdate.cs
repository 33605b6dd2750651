using System.Numerics;
using System.Runtime.InteropServices;

namespace S3dlio.Table;

/// <summary>
/// The rules of <see cref="Optimizer"/> on one row, in float32 and in the order of operations of their models, so that results differ from
/// those by rounding at most.
/// </summary>
sealed class RowUpdate
{
    readonly Optimizer _optimizer;
    readonly int _dimension;
    readonly float _rate, _adamRate;
    readonly bool _isChanged;

    /// <param name="optimizer">The numbers.</param>
    /// <param name="dimension">Of a row.</param>
    /// <param name="step">Number of the batch, from 1: Adam's bias and Adagrad's rate depend on it.</param>
    public RowUpdate(Optimizer optimizer, int dimension, long step)
    {
        (_optimizer, _dimension) = (optimizer, dimension);
        _rate = (float)(optimizer.LearningRate / (1 + ((step - 1) * (double)optimizer.RateDecay)));
        double first = 1 - Math.Pow(optimizer.Beta1, step), second = 1 - Math.Pow(optimizer.Beta2, step);
        _adamRate = (float)(optimizer.LearningRate * Math.Sqrt(second) / first);
        _isChanged = optimizer.WeightDecay != 0 || optimizer.ClipNorm > 0 || optimizer.ClipValue > 0;
    }

    /// <summary>Float32 numbers that a row needs beside its own.</summary>
    public static int SlotsOf(Optimizer optimizer, int dimension) => optimizer.Rule switch
    {
        UpdateRule.Sgd => optimizer.Momentum > 0 ? dimension : 0,
        UpdateRule.Adagrad => dimension,
        UpdateRule.RowwiseAdagrad => 1,
        UpdateRule.Adam => 2 * dimension,
        UpdateRule.RowwiseAdam => dimension + 1,
        _ => 0,
    };

    /// <summary>What the slots of a new row begin with.</summary>
    public static void Clear(Optimizer optimizer, Span<float> slots) =>
        slots.Fill(optimizer.Rule is UpdateRule.Adagrad or UpdateRule.RowwiseAdagrad ? optimizer.InitialSum : 0);

    /// <param name="row">The row's numbers; changed.</param>
    /// <param name="slots">Changed.</param>
    /// <param name="gradient">Of the row, sums of duplicates included.</param>
    /// <param name="scratch">As long as the row.</param>
    public void Apply(Span<float> row, Span<float> slots, ReadOnlySpan<float> gradient, Span<float> scratch)
    {
        if (_isChanged)
        {
            Change(row, gradient, scratch);
            gradient = scratch;
        }
        switch (_optimizer.Rule)
        {
            case UpdateRule.Add:
                Add(row, gradient, 1);
                break;
            case UpdateRule.Sgd when slots.IsEmpty:
                Add(row, gradient, -_rate);
                break;
            case UpdateRule.Sgd:
                Momentum(row, slots, gradient);
                break;
            case UpdateRule.Adagrad:
                Adagrad(row, slots, gradient);
                break;
            case UpdateRule.RowwiseAdagrad:
                slots[0] += MeanSquare(gradient);
                Add(row, gradient, -(_rate / (MathF.Sqrt(slots[0]) + _optimizer.Epsilon)));
                break;
            case UpdateRule.Adam:
                Adam(row, slots[.._dimension], slots[_dimension..], gradient);
                break;
            default:
                RowwiseAdam(row, slots, gradient);
                break;
        }
    }

    /// <summary>The gradient, clipped, and with the decay of the weights.</summary>
    void Change(ReadOnlySpan<float> row, ReadOnlySpan<float> gradient, Span<float> changed)
    {
        gradient.CopyTo(changed);
        if (_optimizer.ClipValue > 0)
        {
            float most = _optimizer.ClipValue;
            foreach (ref float one in changed)
                one = float.IsNaN(one) ? one : Math.Clamp(one, -most, most);
        }
        if (_optimizer.ClipNorm > 0 && MathF.Sqrt(SquareSum(changed)) is var norm && norm > _optimizer.ClipNorm)
        {
            float scale = _optimizer.ClipNorm / norm;
            foreach (ref float one in changed)
                one *= scale;
        }
        if (_optimizer.WeightDecay != 0)
            Add(changed, row, _optimizer.WeightDecay);
    }

    /// <summary>row += scale * numbers.</summary>
    static void Add(Span<float> row, ReadOnlySpan<float> numbers, float scale)
    {
        var to = MemoryMarshal.Cast<float, Vector<float>>(row);
        var from = MemoryMarshal.Cast<float, Vector<float>>(numbers);
        var by = new Vector<float>(scale);
        for (int i = 0; i < to.Length; i++)
            to[i] += from[i] * by;
        for (int i = to.Length * Vector<float>.Count; i < row.Length; i++)
            row[i] += numbers[i] * scale;
    }

    void Momentum(Span<float> row, Span<float> velocity, ReadOnlySpan<float> gradient)
    {
        for (int i = 0; i < row.Length; i++)
        {
            velocity[i] = (velocity[i] * _optimizer.Momentum) + gradient[i];
            row[i] += velocity[i] * -_rate;
        }
    }

    void Adagrad(Span<float> row, Span<float> sums, ReadOnlySpan<float> gradient)
    {
        var to = MemoryMarshal.Cast<float, Vector<float>>(row);
        var sum = MemoryMarshal.Cast<float, Vector<float>>(sums);
        var from = MemoryMarshal.Cast<float, Vector<float>>(gradient);
        var (epsilon, rate) = (new Vector<float>(_optimizer.Epsilon), new Vector<float>(-_rate));
        for (int i = 0; i < to.Length; i++)
        {
            var total = sum[i] += from[i] * from[i];
            to[i] += from[i] / (Vector.SquareRoot(total) + epsilon) * rate;
        }
        for (int i = to.Length * Vector<float>.Count; i < row.Length; i++)
        {
            float total = sums[i] += gradient[i] * gradient[i];
            row[i] += gradient[i] / (MathF.Sqrt(total) + _optimizer.Epsilon) * -_rate;
        }
    }

    void Adam(Span<float> row, Span<float> first, Span<float> second, ReadOnlySpan<float> gradient)
    {
        var to = MemoryMarshal.Cast<float, Vector<float>>(row);
        var mean = MemoryMarshal.Cast<float, Vector<float>>(first);
        var square = MemoryMarshal.Cast<float, Vector<float>>(second);
        var from = MemoryMarshal.Cast<float, Vector<float>>(gradient);
        float left1 = (float)(1 - (double)_optimizer.Beta1), left2 = (float)(1 - (double)_optimizer.Beta2);
        var (part1, part2) = (new Vector<float>(left1), new Vector<float>(left2));
        var (epsilon, rate) = (new Vector<float>(_optimizer.Epsilon), new Vector<float>(-_adamRate));
        for (int i = 0; i < to.Length; i++)
        {
            var m = mean[i] += (from[i] - mean[i]) * part1;
            var s = square[i] += ((from[i] * from[i]) - square[i]) * part2;
            to[i] += m / (Vector.SquareRoot(s) + epsilon) * rate;
        }
        for (int i = to.Length * Vector<float>.Count; i < row.Length; i++)
        {
            float m = first[i] += (gradient[i] - first[i]) * left1;
            float s = second[i] += ((gradient[i] * gradient[i]) - second[i]) * left2;
            row[i] += m / (MathF.Sqrt(s) + _optimizer.Epsilon) * -_adamRate;
        }
    }

    void RowwiseAdam(Span<float> row, Span<float> slots, ReadOnlySpan<float> gradient)
    {
        var first = slots[..row.Length];
        ref float second = ref slots[row.Length];
        second += (MeanSquare(gradient) - second) * (1 - _optimizer.Beta2);
        float rate = _adamRate / (MathF.Sqrt(second) + _optimizer.Epsilon);
        for (int i = 0; i < row.Length; i++)
        {
            float m = first[i] += (gradient[i] - first[i]) * (1 - _optimizer.Beta1);
            row[i] += m * -rate;
        }
    }

    float MeanSquare(ReadOnlySpan<float> numbers) => SquareSum(numbers) / _dimension;

    static float SquareSum(ReadOnlySpan<float> numbers)
    {
        var vectors = MemoryMarshal.Cast<float, Vector<float>>(numbers);
        var sums = Vector<float>.Zero;
        foreach (var one in vectors)
            sums += one * one;
        float sum = Vector.Sum(sums);
        foreach (float one in numbers[(vectors.Length * Vector<float>.Count)..])
            sum += one * one;
        return sum;
    }
}
