using System.Text;
using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Output;
using S3dlio.Cli.Records;
using S3dlio.Log;
using S3dlio.Storage;
using S3dlio.Transfer;

namespace S3dlio.Cli.Verbs;

/// <summary>Records that go out of logs and into them.</summary>
static partial class Logs
{
    /// <summary>Bytes that are read, or gathered for a batch, at once.</summary>
    const int PieceLength = 8 << 20;

    static async Task<int> CatAsync(Invocation run)
    {
        using var log = await OpenAsync(run.Stores.Open(run.Arguments[0], wildcards: false), Damaged(run), run.Cancel);
        using var writer = Printer(run);
        var (first, end) = Chosen(run, log);
        await EachAsync(run, log, first, end, writer, Shown(run));
        return run.Outcome;
    }

    static async Task<int> TailAsync(Invocation run)
    {
        long count = run.Number("count") ?? 10;
        var timeout = run.Text("timeout") is { } text ? Quantity.Duration(text, "--timeout") : (TimeSpan?)null;
        using var log = await OpenAsync(run.Stores.Open(run.Arguments[0], wildcards: false), OnDamage.Raise, run.Cancel);
        using var writer = Printer(run);
        long next = Math.Max(log.Begin, log.EndRecord - Math.Max(0, count));
        while (true)
        {
            next = await EachAsync(run, log, next, log.EndRecord, writer, Shown(run));
            if (!run.Has("follow"))
                return run.Outcome;
            using var patience = CancellationTokenSource.CreateLinkedTokenSource(run.Cancel);
            if (timeout is { } most)
                patience.CancelAfter(most);
            try
            {
                await log.WaitAsync(next, patience.Token);
            }
            catch (OperationCanceledException) when (!run.Cancel.IsCancellationRequested)
            {
                return run.Outcome;
            }
        }
    }

    static async Task<int> ExportAsync(Invocation run)
    {
        string target = run.Arguments[1];
        var form = RecordForms.Parse(run.Text("form"), target);
        using var log = await OpenAsync(run.Stores.Open(run.Arguments[0], wildcards: false), Damaged(run), run.Cancel);
        using var writer = new RecordWriter(form, Separator(run), run.Has("base64"), splits: true);
        var (first, end) = Chosen(run, log);
        long count = 0;
        if (target == "-")
        {
            await EachAsync(run, log, first, end, writer, Shown(run));
            return run.Outcome;
        }
        var place = run.Stores.Open(target, wildcards: false);
        run.Terminal.Progress.Start();
        await using var output = await ObjectOutput.OpenAsync(place.Store, place.Key, run.Text("level") is null ? null
            : run.Integer("level", 3, 1, 22), PutOptions.Default, run.Cancel);
        await EachAsync(run, log, first, end, writer, bytes =>
            output.WriteAsync(
                LargeMemory.From(System.Runtime.InteropServices.MemoryMarshal.AsMemory(bytes)), run.Terminal.Progress, run.Cancel),
            plan => count += plan.Numbers.Count);
        var done = await output.CompleteAsync(run.Cancel);
        run.Terminal.Progress.Dispose();
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("records", count);
                JsonText.Brief(json, place.Address(output.Key), done.Object);
            });
        }
        else
        {
            run.Terminal.Note($"exported {count} records, {Quantity.Show(done.Object.Size)}, to {Quoted.Name(place.Address(output.Key))}");
        }
        return run.Outcome;
    }

    /// <summary>Writes to the standard output.</summary>
    static Func<ReadOnlyMemory<byte>, ValueTask> Shown(Invocation run) => bytes =>
    {
        run.Terminal.Bytes(bytes.Span);
        return ValueTask.CompletedTask;
    };

    static OnDamage Damaged(Invocation run) => run.Has("skip-damaged") ? OnDamage.Skip : OnDamage.Raise;

    static RecordWriter Printer(Invocation run) =>
        new(run.Terminal.Json ? RecordForm.JsonLines : RecordForm.Lines, Separator(run), run.Has("base64"), splits: false);

    /// <summary>The records from the first to the one behind the last, by number.</summary>
    static (long First, long End) Chosen(Invocation run, RecordLog log)
    {
        long At(long number) => number < 0 ? Math.Max(log.Begin, log.EndRecord + number) : number;
        long first = run.Number("from") is { } from ? At(from) : log.Begin;
        long end = run.Number("to") is { } to ? Math.Min(At(to), log.EndRecord) : log.EndRecord;
        if (first > log.EndRecord)
            throw new StoreException(
                ErrorKind.NotFound, run.Arguments[0], $"there is no record {first}: the log ends before {log.EndRecord}");
        long count = run.Number("count") ?? long.MaxValue;
        return count < 0 ? throw new UsageException("--count: a number from 0 on is wanted")
            : (first, count < end - first ? first + count : end);
    }

    /// <summary>Writes records in pieces.</summary>
    /// <returns>The number behind the last one.</returns>
    static async ValueTask<long> EachAsync(Invocation run, RecordLog log, long first, long end, RecordWriter writer,
        Func<ReadOnlyMemory<byte>, ValueTask> take, Action<RecordPlan>? told = null)
    {
        byte[] buffer = [];
        while (first < end)
        {
            run.Cancel.ThrowIfCancellationRequested();
            var plan = await log.PlanAsync(first, end - first, PieceLength, run.Has("skip-damaged"), run.Cancel);
            if (buffer.Length < plan.Length)
                buffer = new byte[plan.Length];
            var bytes = buffer.AsMemory(0, (int)plan.Length);
            try
            {
                await log.ReadAsync(plan, bytes, run.Cancel);
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch && plan.Numbers.Count > 1)
            {
                // what comes before the damage is still printed, one by one
                foreach (long number in plan.Numbers)
                    await EachAsync(run, log, number, number + 1, writer, take, told);
                first = plan.Next;
                continue;
            }
            catch (StoreException error) when (error.Kind == ErrorKind.ChecksumMismatch && run.Has("skip-damaged"))
            {
                first = plan.Next;
                continue;
            }
            long start = 0;
            for (int i = 0; i < plan.Numbers.Count; i++)
            {
                writer.Add(plan.Numbers[i], bytes.Span[(int)start..(int)plan.Ends[i]], log.Directory);
                start = plan.Ends[i];
            }
            await take(writer.Written);
            writer.Clear();
            told?.Invoke(plan);
            first = plan.Next;
        }
        return first;
    }

    static byte[] Separator(Invocation run)
    {
        if (run.Has("null"))
            return [0];
        if (run.Text("separator") is not { } text)
            return [(byte)'\n'];
        var plain = new StringBuilder();
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '\\' || i + 1 == text.Length)
                plain.Append(text[i]);
            else
                plain.Append(text[++i] switch { 'n' => '\n', 't' => '\t', 'r' => '\r', '0' => '\0', var other => other });
        }
        return IO.PathText.Encode(plain.ToString());
    }
}
