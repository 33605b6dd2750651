using System.Buffers.Binary;
using System.Text.Json;
using S3dlio.Storage;

namespace S3dlio.Cli.Records;

/// <summary>Finds the records of a file in one of the forms, in memory that grows to the largest record and not with the file.</summary>
/// <param name="source">The file.</param>
/// <param name="form">Which.</param>
/// <param name="separator">Behind each record, with <see cref="RecordForm.Lines"/>; the last one may lack it.</param>
/// <param name="recordSize">Of every record, with <see cref="RecordForm.Raw"/>.</param>
sealed class RecordParser(ByteSource source, RecordForm form, byte[] separator, int recordSize)
{
    const int LeastRead = 4 << 20, MostRecord = 1 << 30;

    static readonly byte[] LineEnd = [(byte)'\n'];

    byte[] _buffer = new byte[LeastRead];
    int _begin, _end, _searched;
    long _base;
    bool _isEnded;

    /// <summary>The next record, as memory that the next call overwrites; null at the end.</summary>
    public async ValueTask<ReadOnlyMemory<byte>?> NextAsync(CancellationToken cancel)
    {
        while (true)
        {
            if (TryTake(out var record))
                return record;
            if (_isEnded)
                return null;
            await FillAsync(cancel);
        }
    }

    async ValueTask FillAsync(CancellationToken cancel)
    {
        if (_begin > 0)
        {
            _buffer.AsSpan(_begin, _end - _begin).CopyTo(_buffer);
            (_base, _end, _begin) = (_base + _begin, _end - _begin, 0);
        }
        if (_end == _buffer.Length)
        {
            if (_buffer.Length > MostRecord)
                throw Wrong($"a record has more than {MostRecord} bytes, the most of a log");
            Array.Resize(ref _buffer, 2 * _buffer.Length);
        }
        int got = await source.ReadAsync(_buffer.AsMemory(_end), cancel);
        _end += got;
        _isEnded = got == 0;
    }

    bool TryTake(out ReadOnlyMemory<byte> record)
    {
        record = default;
        int left = _end - _begin;
        if (left == 0)
            return false;
        return form switch
        {
            RecordForm.Lines => TakeLine(separator, out record),
            RecordForm.JsonLines => TakeJson(out record),
            RecordForm.Raw => TakeSized(0, recordSize, 0, out record),
            RecordForm.Prefixed => TakeSized(sizeof(int), left < sizeof(int) ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(
                _buffer.AsSpan(_begin)), 0, out record),
            _ => TakeTfRecord(left, out record),
        };
    }

    bool TakeLine(byte[] end, out ReadOnlyMemory<byte> line)
    {
        int mark = _buffer.AsSpan(_begin + _searched, _end - _begin - _searched).IndexOf(end);
        if (mark < 0 && !_isEnded)
        {
            // a separator may have begun at the end of what is here
            _searched = Math.Max(0, _end - _begin - end.Length + 1);
            line = default;
            return false;
        }
        int length = mark < 0 ? _end - _begin : _searched + mark;
        line = _buffer.AsMemory(_begin, length);
        _begin += mark < 0 ? length : length + end.Length;
        _searched = 0;
        return true;
    }

    bool TakeSized(int before, long length, int behind, out ReadOnlyMemory<byte> record)
    {
        record = default;
        if (_end - _begin < before || _end - _begin - before - behind < length)
        {
            if (_isEnded)
                throw Wrong(
                    $"at byte {_base + _begin} a record of {(_end - _begin < before ? "unknown" : length)} bytes begins and the file "
                    + $"ends {_end - _begin} bytes later: it was cut short, or has another form");
            return length > MostRecord
                ? throw Wrong($"at byte {_base + _begin} stands a length of {length} bytes, more than a log takes: it has another form")
                : false;
        }
        record = _buffer.AsMemory(_begin + before, (int)length);
        _begin += before + (int)length + behind;
        return true;
    }

    bool TakeTfRecord(int left, out ReadOnlyMemory<byte> record)
    {
        long at = _base + _begin, length = 0;
        if (left >= TfRecordFrame.HeadLength)
        {
            var head = _buffer.AsSpan(_begin, TfRecordFrame.HeadLength);
            if (!TfRecordFrame.IsChecksum(head[8..], head[..8]))
                throw Damaged($"at byte {at} stands no length with its checksum: it is no TFRecord file, or damaged", at);
            length = BinaryPrimitives.ReadInt64LittleEndian(head);
        }
        if (!TakeSized(TfRecordFrame.HeadLength, length, TfRecordFrame.TailLength, out record))
            return false;
        return TfRecordFrame.IsChecksum(_buffer.AsSpan(_begin - TfRecordFrame.TailLength), record.Span) ? true
            : throw Damaged($"the record at byte {at} is damaged: its {length} bytes have another checksum", at);
    }

    bool TakeJson(out ReadOnlyMemory<byte> record)
    {
        long at = _base + _begin;
        record = default;
        while (TakeLine(LineEnd, out var line))
        {
            if (line.Span.Trim(" \t\r"u8).IsEmpty)
                continue;
            try
            {
                record = Value(line.Span);
                return true;
            }
            catch (Exception error) when (error is JsonException or FormatException or InvalidOperationException)
            {
                throw Wrong($"the line at byte {at} is no JSON object with a text, \"text\" or \"base64\"");
            }
        }
        return false;
    }

    static byte[] Value(ReadOnlySpan<byte> line)
    {
        var json = new Utf8JsonReader(line);
        byte[]? value = null;
        if (!json.Read() || json.TokenType != JsonTokenType.StartObject)
            throw new JsonException();
        while (json.Read() && json.TokenType == JsonTokenType.PropertyName)
        {
            bool isText = json.ValueTextEquals("text"u8), isBase64 = json.ValueTextEquals("base64"u8);
            json.Read();
            if (isText)
            {
                value = new byte[json.ValueSpan.Length];
                value = value[..json.CopyString(value)];
            }
            else if (isBase64)
            {
                value = json.GetBytesFromBase64();
            }
            else
            {
                json.Skip();
            }
        }
        return json.TokenType == JsonTokenType.EndObject && !json.Read() && value is not null ? value : throw new JsonException();
    }

    StoreException Wrong(string detail) => new(ErrorKind.InvalidData, source.Name, detail);

    StoreException Damaged(string detail, long at) => new(ErrorKind.ChecksumMismatch, source.Name, detail, at);
}
