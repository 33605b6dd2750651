using System.Text;
using System.Text.Json;
using S3dlio.IO;
using S3dlio.Storage;

namespace S3dlio.OpLog;

/// <summary>
/// Reads logs row by row, in flat memory: ours, the original's and MinIO warp's, parted by tabs or commas or as lines of JSON, compressed
/// with
/// zstd or not. Columns go by their name in any order and case; lines that begin with <c>#</c> and empty ones are passed over.
/// </summary>
public sealed class OpLogReader : IDisposable
{
    const int MostRow = 16 << 20;

    static readonly Dictionary<string, int> Names = new(StringComparer.OrdinalIgnoreCase)
    {
        ["idx"] = 0,
        ["thread"] = 1,
        ["op"] = 2,
        ["operation"] = 2,
        ["client_id"] = 3,
        ["n_objects"] = 4,
        ["bytes"] = 5,
        ["endpoint"] = 6,
        ["file"] = 7,
        ["error"] = 8,
        ["start"] = 9,
        ["t_start"] = 9,
        ["first_byte"] = 10,
        ["t_first_byte"] = 10,
        ["end"] = 11,
        ["t_end"] = 11,
        ["duration_ns"] = 12,
        ["offset"] = 13,
        ["cached"] = 14,
    };

    /// <summary>Of a row: one more than the highest number above.</summary>
    const int Fields = 15;

    readonly DecodedFile _file;
    readonly string _path;
    readonly byte[] _buffer = new byte[256 << 10];
    readonly List<string> _fields = [];
    readonly MemoryStream _field = new();
    int[] _columns = [];
    byte _separator;
    bool _isJson;
    int _at, _length;
    long _line;

    public OpLogReader(string path)
    {
        _path = path;
        _file = new DecodedFile(path);
        try
        {
            Begin();
        }
        catch
        {
            _file.Dispose();
            throw;
        }
    }

    /// <summary>Whether the log ended within a compressed frame: a process that died wrote it, and its last rows are missing.</summary>
    public bool WasCut => _file.WasCut;

    /// <returns>False at the end.</returns>
    /// <exception cref="StoreException">InvalidData, with the line.</exception>
    public bool Read(out OpRecord record)
    {
        record = default;
        if (_isJson)
            return ReadJson(out record);
        while (ReadFields())
        {
            // the original ends a log in the midst of a row where its process died
            if (_fields.Count < _columns.Length && _length == 0)
                return false;
            record = Row();
            return true;
        }
        return false;
    }

    public void Dispose()
    {
        _file.Dispose();
        _field.Dispose();
    }

    void Begin()
    {
        int first;
        while ((first = Peek()) is '\n' or '\r' or ' ')
            _at++;
        if (first == '{')
        {
            _isJson = true;
            return;
        }
        _separator = 0;
        if (!ReadFields())
            throw Wrong("the log is empty: not even a header");
        _columns = [.. _fields.Select(static name => Names.GetValueOrDefault(name.Trim(), -1))];
        if (!_columns.Contains(2) || !_columns.Contains(9))
            throw Wrong($"no op log: its header names no columns 'op' and 'start', found '{string.Join(' ', _fields.Take(6))}'");
    }

    int Peek()
    {
        if (_at < _length)
            return _buffer[_at];
        _at = 0;
        _length = _file.Read(_buffer);
        return _length == 0 ? -1 : _buffer[0];
    }

    /// <summary>The fields of the next line; a quoted one may hold line ends.</summary>
    bool ReadFields()
    {
        while (true)
        {
            _line++;
            int first = Peek();
            if (first < 0)
                return false;
            if (first == '#')
            {
                SkipLine();
                continue;
            }
            _fields.Clear();
            SplitLine();
            if (_fields.Count > 1 || _fields[0].Length > 0)
                return true;
        }
    }

    void SkipLine()
    {
        while (Peek() is >= 0 and not '\n')
            _at++;
        _at++;
    }

    void SplitLine()
    {
        _field.SetLength(0);
        bool quoted = false;
        bool atStart = true;
        long taken = 0;
        while (true)
        {
            int one = Peek();
            if (++taken > MostRow)
                throw Wrong($"the row has more than {MostRow} bytes");
            if (one < 0)
                break;
            _at++;
            if (quoted)
            {
                if (one != '"')
                    _field.WriteByte((byte)one);
                else if (Peek() == '"')
                {
                    _field.WriteByte((byte)'"');
                    _at++;
                }
                else
                    quoted = false;
                continue;
            }
            if (one == '\n')
                break;
            if (one == '"' && atStart)
            {
                quoted = true;
                atStart = false;
                continue;
            }
            // the header tells what parts fields
            if (_separator == 0 && one is ('\t' or ','))
                _separator = (byte)one;
            if (one == _separator)
            {
                EndField();
                atStart = true;
                continue;
            }
            if (one != '\r' || Peek() != '\n')
                _field.WriteByte((byte)one);
            atStart = false;
        }
        EndField();
    }

    void EndField()
    {
        _fields.Add(PathText.Decode(_field.GetBuffer().AsSpan(0, (int)_field.Length)));
        _field.SetLength(0);
    }

    OpRecord Row()
    {
        var values = new string[Fields];
        for (int i = 0; i < Math.Min(_columns.Length, _fields.Count); i++)
        {
            if (_columns[i] >= 0)
                values[_columns[i]] = _fields[i];
        }
        return Make(values);
    }

    OpRecord Make(string?[] values)
    {
        long start = OpTime.Parse(values[9]) ?? throw Wrong($"the start '{values[9]}' is no time");
        long? duration = Number(values[12]);
        long end = OpTime.Parse(values[11]) ?? start + (duration ?? 0);
        return new OpRecord
        {
            Index = Number(values[0]) ?? 0,
            // the original writes hashes of 64 bits
            Thread = ulong.TryParse(values[1], out ulong thread) ? (int)(thread & 0xffff) : 0,
            Op = values[2]?.ToUpperInvariant() switch
            {
                "HEAD" => OpName.Stat,
                "GET_RANGE" => OpName.Get,
                "DELETE_BATCH" or "DELETE_PREFIX" => OpName.Delete,
                var op => op ?? ""
            },
            ClientId = values[3] ?? "",
            Objects = Number(values[4]) ?? 1,
            Bytes = Number(values[5]) ?? 0,
            Endpoint = values[6] ?? "",
            File = values[7] ?? "",
            Error = values[8] ?? "",
            Start = start,
            FirstByte = OpTime.Parse(values[10]),
            End = end,
            Offset = Number(values[13]),
            Cached = Number(values[14]),
        };
    }

    bool ReadJson(out OpRecord record)
    {
        record = default;
        _field.SetLength(0);
        int one;
        while ((one = Peek()) >= 0)
        {
            _at++;
            if (one == '\n' && _field.Length > 0)
                break;
            if (one is not ('\n' or '\r'))
                _field.WriteByte((byte)one);
            if (_field.Length > MostRow)
                throw Wrong($"the row has more than {MostRow} bytes");
        }
        if (_field.Length == 0)
            return false;
        _line++;
        var values = new string?[Fields];
        try
        {
            using var row = JsonDocument.Parse(_field.GetBuffer().AsMemory(0, (int)_field.Length));
            foreach (var member in row.RootElement.EnumerateObject())
            {
                if (Names.TryGetValue(member.Name, out int column) && member.Value.ValueKind != JsonValueKind.Null)
                    values[column] = member.Value.ToString();
            }
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException)
        {
            throw Wrong("the line is no JSON object: " + error.Message);
        }
        record = Make(values);
        return true;
    }

    static long? Number(string? text) =>
        long.TryParse(text, System.Globalization.NumberStyles.AllowLeadingSign, System.Globalization.CultureInfo.InvariantCulture,
        out long number) ? number : null;

    StoreException Wrong(string detail) => new(ErrorKind.InvalidData, _path, $"line {_line}: {detail}");
}
