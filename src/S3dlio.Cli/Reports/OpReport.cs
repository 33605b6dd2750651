using System.Globalization;
using OxyPlot;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Verbs;
using S3dlio.OpLog;
using static S3dlio.Cli.Verbs.OpLogs;

namespace S3dlio.Cli.Reports;

/// <summary>What a log of operations comes to, for eyes.</summary>
static class OpReport
{
    const double Milli = 1e6;

    /// <exception cref="UsageException">The name does not say what is drawn.</exception>
    public static void CheckName(string path) => _ = Form(path);

    /// <summary>A page, PNG or SVG, as the name says.</summary>
    public static void Write(string path, string title, OpSummary summary) => OutputFile.Write(path, Form(path) switch
    {
        "html" => Html(title, summary),
        "svg" => Reports.Charts.Svg(Charts(summary)),
        _ => Reports.Charts.Png(Charts(summary)),
    });

    static string Form(string path) => Path.GetExtension(path).TrimStart('.').ToLowerInvariant() is var form and ("html" or "png" or "svg")
        ? form
        : throw new UsageException($"{path}: the name says what is drawn; end it with .html, .png or .svg");

    static IReadOnlyList<PlotModel> Charts(OpSummary summary)
    {
        var timeline = summary.Timeline;
        double width = timeline.Width / 1e9;
        var bytes = Reports.Charts.New("Throughput", "seconds", "MiB/s");
        var rate = Reports.Charts.New("Operations", "seconds", "operations/s");
        var latency = Reports.Charts.New("Latency over time", "seconds", "milliseconds", logLeft: true);
        foreach (var (op, intervals) in timeline.Ops)
        {
            if (intervals.Any(static one => one.Bytes > 0))
                Reports.Charts.Add(bytes, op, Points(intervals, width, one => one.Bytes / width / (1 << 20)));
            Reports.Charts.Add(rate, op, Points(intervals, width, one => one.Operations / width));
            foreach (double percent in (double[])[50, 99])
            {
                // nothing is drawn where nothing ended
                Reports.Charts.Add(latency, $"{op} p{percent}", Points(intervals, width, one =>
                    one.Latency is { } known ? Math.Max(known.Percentile(percent), 1) / Milli : double.NaN), isFaint: percent < 99);
            }
        }
        return [bytes, rate, latency, Distribution(summary.Latencies())];
    }

    static IEnumerable<(double, double)> Points(
        List<Timeline.Interval> intervals, double width, Func<Timeline.Interval, double> value) =>
        intervals.Select((one, i) => ((i + 0.5) * width, value(one)));

    /// <summary>How many percent of the operations took no longer.</summary>
    static PlotModel Distribution(SortedDictionary<string, LatencyHistogram> latencies)
    {
        var model = Reports.Charts.New("Latency: percent of operations that took no longer", "milliseconds", "percent", logBelow: true);
        foreach (var (op, latency) in latencies.Where(static one => one.Value.Count > 0))
        {
            Reports.Charts.Add(model, op, Enumerable.Range(0, 201)
                .Select(i => (Math.Max(latency.Percentile(i / 2.0), 1) / Milli, i / 2.0)));
        }
        return model;
    }

    static byte[] Html(string title, OpSummary summary)
    {
        var page = new HtmlPage(title);
        page.Paragraph(string.Create(CultureInfo.InvariantCulture, $"{summary.Rows} operations in {summary.Seconds:0.000} s"));
        double seconds = summary.Seconds;
        page.Table(["operation", "size", "count", "errors", "op/s", "MiB/s", "p50", "p90", "p99", "p99.9", "max", "first byte p50"],
            summary.Groups.Select(one => (IReadOnlyList<string>)
            [
                Quoted.Name(one.Op), one.Size, Number(one.Group.Count), Number(one.Group.Errors), Number(one.Group.Count / seconds, "0.0"),
                Number(one.Group.Bytes / seconds / (1 << 20), "0.00"), .. Percentiles(one.Group.Latency), Time(one.Group.FirstByte, 50),
            ]));
        if (summary.Failures.Any())
        {
            page.Heading("Errors");
            page.Table(["kind", "count"],
                summary.Failures.Select(static one => (IReadOnlyList<string>)[Quoted.Name(one.Kind), Number(one.Count)]));
        }
        foreach (var chart in Charts(summary))
            page.Chart(chart);
        return page.Bytes();
    }

    /// <summary>What a replay came to.</summary>
    public static byte[] Html(string title, ReplayReport report)
    {
        var page = new HtmlPage(title);
        page.Paragraph(string.Create(CultureInfo.InvariantCulture,
            $"{report.Operations} operations, {report.Errors} failed, {report.Skipped} skipped, {report.Bytes} bytes in "
            + $"{report.Took.TotalSeconds:0.000} s (planned {report.Planned.TotalSeconds:0.000} s)"));
        var all = new SortedDictionary<string, LatencyHistogram>(report.Latency, StringComparer.Ordinal) { ["lag"] = report.Lag };
        page.Table(["operation", "count", "p50", "p90", "p99", "p99.9", "max"], all.Select(static one => (IReadOnlyList<string>)
            [Quoted.Name(one.Key), Number(one.Value.Count), .. Percentiles(one.Value)]));
        if (report.Messages.Count > 0)
        {
            page.Heading("The first errors");
            foreach (string message in report.Messages)
                page.Paragraph(Quoted.Text(message));
        }
        page.Chart(Distribution(all));
        return page.Bytes();
    }

    static IEnumerable<string> Percentiles(LatencyHistogram latency) =>
        [Time(latency, 50), Time(latency, 90), Time(latency, 99), Time(latency, 99.9), latency.Count == 0 ? "-" : Short(latency.Max)];

    static string Number(double value, string form = "0") => value.ToString(form, CultureInfo.InvariantCulture);
}
