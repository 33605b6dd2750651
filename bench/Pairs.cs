using System.Diagnostics;
using System.Globalization;

namespace S3dlio.Bench;

/// <summary>Ours beside another's, in turns A B B A in one process: the median of the pairs' ratios counts.</summary>
static class Pairs
{
    /// <summary>The machine at this moment: others' work is in every figure.</summary>
    public static string Machine => $"{Environment.ProcessorCount} processors, load {File.ReadAllText("/proc/loadavg").Trim()}";

    /// <param name="about">What is compared.</param>
    /// <param name="unit">Of the rates.</param>
    /// <param name="pairs">How many.</param>
    /// <param name="bar">What the median ratio has to reach; 0: nothing.</param>
    /// <param name="ours">Seconds of ours, once.</param>
    /// <param name="theirs">Seconds of the other's, once.</param>
    /// <param name="done">Units of ours.</param>
    /// <param name="theirDone">Units of the other's; 0: as many.</param>
    public static void Compare(
        string about, string unit, int pairs, double bar, Func<double> ours, Func<double> theirs, double done, double theirDone = 0)
    {
        theirDone = theirDone == 0 ? done : theirDone;
        ours();
        theirs();
        List<double> mine = [], other = [], ratios = [], costs = [];
        for (int i = 0; i < pairs; i++)
        {
            double spent = 0, theirSpent = 0;
            double a = i % 2 == 0 ? Spent(ours, out spent) : 0, b = Spent(theirs, out theirSpent);
            a = a == 0 ? Spent(ours, out spent) : a;
            costs.Add(done / spent / (theirDone / theirSpent));
            mine.Add(done / a);
            other.Add(theirDone / b);
            ratios.Add(done / a / (theirDone / b));
        }
        string verdict = bar == 0 ? "" : Median(ratios) >= bar ? $", bar {bar}: held" : $", bar {bar}: MISSED";
        Console.WriteLine($"{about}\n  {Median(mine):0.00} {unit} against {Median(other):0.00}: ratio {Median(ratios):0.00} "
            + $"({ratios.Min():0.00} to {ratios.Max():0.00}){verdict}; by the calling thread's time on a processor {Median(costs):0.00}"
            + $" ({costs.Min():0.00} to {costs.Max():0.00})");
    }

    static double Spent(Func<double> once, out double spent)
    {
        double before = ThreadSeconds(), seconds = once();
        spent = ThreadSeconds() - before;
        return seconds;
    }

    public static double Median(List<double> values) => values.Order().ElementAt(values.Count / 2);

    public static double Seconds(Action body)
    {
        long started = Stopwatch.GetTimestamp();
        body();
        return Stopwatch.GetElapsedTime(started).TotalSeconds;
    }

    /// <summary>Seconds of the processor that the calling thread had: what it cost whatever else ran.</summary>
    public static double ThreadSeconds()
    {
        // nanoseconds on a processor, nanoseconds of waiting for one, turns
        string stat = File.ReadAllText("/proc/thread-self/schedstat");
        return long.Parse(stat.AsSpan(0, stat.IndexOf(' ', StringComparison.Ordinal)), CultureInfo.InvariantCulture) / 1e9;
    }
}
