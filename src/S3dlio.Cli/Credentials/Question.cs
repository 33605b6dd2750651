using System.Text.Json;

namespace S3dlio.Cli.Credentials;

/// <summary>
/// What the library runs <c>s3dlio credentials</c> for: a line of JSON on standard input, another on standard output, whose ends nobody
/// waits for.
/// Secrets pass through pipes only, never through arguments. What fails is an answer too; another exit status than 0 is a fault of this
/// program.
/// </summary>
static class Question
{
    public static async Task AnswerAsync()
    {
        using var input = new StreamReader(Console.OpenStandardInput());
        using var question = JsonDocument.Parse(await input.ReadLineAsync().ConfigureAwait(false) ?? "{}");
        var asked = question.RootElement;
        using var answer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(answer))
        {
            try
            {
                await (Text(asked, "vendor") switch
                {
                    "amazon" => AmazonChain.AnswerAsync(writer, Text(asked, "profile"), Text(asked, "region")),
                    "microsoft" => MicrosoftChain.AnswerAsync(writer, Text(asked, "authority"), Text(asked, "claims")),
                    var other => throw new NotSupportedException($"there is no chain of '{other}' in this version; library and program "
                        + $"come from different releases"),
                }).ConfigureAwait(false);
            }
            catch (Exception error)
            {
                // nothing was written by then: a chain answers in one piece
                writer.WriteStartObject();
                writer.WriteString("error", error.Message);
                writer.WriteEndObject();
            }
        }
        answer.WriteByte((byte)'\n');
        using var output = Console.OpenStandardOutput();
        output.Write(answer.GetBuffer(), 0, (int)answer.Length);
    }

    static string? Text(JsonElement asked, string name) => asked.TryGetProperty(name, out var value) ? value.GetString() : null;
}
