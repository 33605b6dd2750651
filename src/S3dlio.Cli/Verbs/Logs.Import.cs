using S3dlio.Cli.CommandLine;
using S3dlio.Cli.Records;
using S3dlio.Log;
using S3dlio.Storage;

namespace S3dlio.Cli.Verbs;

/// <summary><c>log import</c>.</summary>
static partial class Logs
{
    /// <summary>Records that are appended as one.</summary>
    sealed class Batch(LogWriter log, int most, bool atomic)
    {
        byte[] _bytes = [];
        int _length;
        readonly List<long> _ends = [];

        /// <summary>Records that are in the log, durably.</summary>
        public long Count { get; private set; }

        public async ValueTask AddAsync(ReadOnlyMemory<byte> record, CancellationToken cancel)
        {
            if (!atomic && (_ends.Count == most || (_ends.Count > 0 && _length + record.Length > PieceLength)))
                await EndAsync(cancel);
            if (_bytes.Length - _length < record.Length)
                Array.Resize(ref _bytes, Math.Max(_length + record.Length, (int)Math.Min(2L * _bytes.Length, Array.MaxLength)));
            record.Span.CopyTo(_bytes.AsSpan(_length));
            _length += record.Length;
            _ends.Add(_length);
            if (atomic && _length > LogWriter.MostFrame)
                throw new StoreException(ErrorKind.InvalidArgument, log.Directory,
                    $"--atomic: the input has more than {LogWriter.MostFrame} bytes, the most of a batch; nothing was imported. Leave "
                    + "--atomic out");
        }

        /// <summary>Appends what is there and commits it.</summary>
        public async ValueTask EndAsync(CancellationToken cancel)
        {
            if (_ends.Count == 0)
                return;
            var bytes = _bytes.AsMemory(0, _length);
            if (_ends.Count == 1)
                log.Append((ReadOnlyMemory<byte>)bytes);
            else
                log.AppendBatch(bytes, log.RecordSize > 0 ? [] : System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_ends));
            // a commit that was begun is not given up: what it made durable could not be told
            await log.CommitAsync(CancellationToken.None);
            Count += _ends.Count;
            _ends.Clear();
            _length = 0;
            cancel.ThrowIfCancellationRequested();
        }
    }

    static async Task<int> ImportAsync(Invocation run)
    {
        string folder = LocalFolder(run, "log import");
        string[] inputs = [.. run.Arguments.Skip(1)];
        int recordSize = run.Integer("record-size", 0, 0, LogWriter.MostRecord);
        byte[] separator = Separator(run);
        if (separator.Length == 0)
            throw new UsageException("--separator: records cannot be told apart by nothing");
        var forms = inputs.Select(input => RecordForms.Parse(run.Text("form"), input)).ToArray();
        int most = run.Integer("batch", 1000, 1, 1 << 20);
        using var log = LogWriter.Open(folder, new LogOptions
        {
            RecordSize = recordSize,
            // what the Python package needs to know of records of one size
            Schema = recordSize > 0 ? $$"""{"dtype":"|u1","shape":[{{recordSize}}]}""" : "",
            SegmentSize = run.Size("segment-size", 64 << 20),
            KeepsSegmentSize = run.Text("segment-size") is null,
            Compression = run.Text("compress") is null ? 0 : run.Integer("compress", 3, 1, 22),
            ChecksSchema = false,
        });
        if (recordSize > 0 && log.RecordSize != recordSize)
            throw new StoreException(ErrorKind.InvalidArgument, folder,
                $"the log has records {(log.RecordSize == 0 ? "of any length" : $"of {log.RecordSize} bytes")}, --record-size says "
                + $"{recordSize}");
        if (forms.Contains(RecordForm.Raw) && log.RecordSize == 0)
            throw new UsageException("log import: the form raw is for logs with records of one size; a new one needs --record-size");
        long first = log.EndRecord;
        var batch = new Batch(log, most, run.Has("atomic"));
        try
        {
            for (int i = 0; i < inputs.Length; i++)
            {
                await using var source = await ByteSource.OpenAsync(run, inputs[i]);
                var parser = new RecordParser(source, forms[i], separator, log.RecordSize);
                while (await parser.NextAsync(run.Cancel) is { } record)
                    await batch.AddAsync(record, run.Cancel);
            }
            await batch.EndAsync(run.Cancel);
        }
        catch (Exception error) when (error is StoreException or OperationCanceledException)
        {
            run.Terminal.Error($"{folder}: {batch.Count} records were imported and are durable, from record {first} on", "Note");
            throw;
        }
        finally
        {
            // every batch is committed: room that was reserved is given back, also where an input was wrong
            log.Close();
        }
        if (run.Terminal.Json)
        {
            run.Terminal.Object(json =>
            {
                json.WriteNumber("records", batch.Count);
                json.WriteNumber("first", first);
                json.WriteNumber("end", first + batch.Count);
            });
        }
        else
        {
            run.Terminal.Note($"imported {batch.Count} records, {first} to {first + batch.Count}");
        }
        return run.Outcome;
    }
}
