from django.db import migrations, models

# The gate's own rules as they were when this table was made; later ones hold without a row too.
SEEDS = [
    ('allow', 'shell.read_only', 'Commands that only read, inside of bounds'),
    ('allow', 'file.read', 'Reading files inside of bounds'),
    ('allow', 'tool.read', 'Tools of the agent itself that only read'),
    ('ask', 'file.change', 'Changing files in the workspace'),
    ('ask', 'path.outside', 'Files outside of the workspace'),
    ('ask', 'http.read', 'Reading from public hosts (GET, HEAD)'),
    ('ask', 'http.send', 'Sending to public hosts'),
    ('ask', 'tool.write', 'Tools that change something'),
    ('ask', 'tool.unlisted', 'Tools that nobody knows'),
    ('ask', 'shell.unlisted', 'Commands that are on no list'),
    ('ask', 'shell.option', 'Options that are on no list'),
    ('ask', 'shell.argument', 'Words that may do more than read'),
    ('ask', 'shell.program', 'awk, sed and jq programs that may do more than filter'),
    ('ask', 'shell.redirect', 'Writing to files by redirection'),
    ('ask', 'shell.construct', "Constructs of the shell that aren't judged"),
    ('ask', 'shell.unknown_word', 'Words that are known only when they run'),
    ('ask', 'shell.variable', 'Variables set for a command'),
    ('ask', 'shell.pattern', 'Patterns that may stand for an option'),
    ('ask', 'shell.folder', "Folders that can't be known"),
    ('ask', 'shell.endless', 'Commands that never end by themselves'),
    ('ask', 'shell.syntax', "Lines that can't be read with certainty"),
    ('ask', 'shell.empty', 'Lines without a command'),
    ('ask', 'path.secrets_below', 'Searching folders with keys or passwords in them'),
    ('ask', 'path.secret_pattern', 'Patterns that fit keys or passwords'),
    ('ask', 'taint', 'Acting after outside text was read'),
    ('ask', 'sandbox.missing', 'Anything at all, without bubblewrap'),
    ('ask', 'gate.error', 'Calls that could not be judged'),
    ('deny', 'path.protected', "Keys, passwords, and this service's own data"),
    ('deny', 'path.code', "Changing this service's own code"),
    ('deny', 'http.private', 'Addresses of this machine and its own network'),
    ('deny', 'http.url', 'What is no web address'),
    ('deny', 'shell.too_long', 'Lines of more than 20,000 characters'),
    ('deny', 'deny.delete_root', 'Deleting system folders or homes'),
    ('deny', 'deny.permissions_root', 'Changing the permissions of system folders or homes'),
    ('deny', 'deny.disk', 'Overwriting disks'),
    ('deny', 'deny.power', 'Turning this machine off'),
    ('deny', 'deny.kill_all', 'Ending every process'),
    ('deny', 'deny.fork_bomb', 'Fork bombs'),
]


def seed(apps, schema_editor):
    rule = apps.get_model("tools", "ToolRule")
    rule.objects.bulk_create(
        rule(decision=decision, match="builtin", pattern=pattern, reason=title, origin="seeded", created_by="system")
        for decision, pattern, title in SEEDS
    )


class Migration(migrations.Migration):
    dependencies = [("tools", "0001_tool_execution")]

    operations = [
        migrations.CreateModel(
            name='ToolRule',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('decision', models.CharField(choices=[('allow', 'Allow'), ('ask', 'Ask'), ('deny', 'Deny')], help_text='of several rules the strictest counts', max_length=10)),
                ('tool', models.CharField(default='*', help_text='shell, file_write, http_request …; * at the end stands for anything', max_length=100)),
                ('match', models.CharField(choices=[('builtin', 'a rule of the gate itself'), ('program', 'a program with its words'), ('arguments', 'exactly these arguments'), ('path', 'a folder or file'), ('host', 'a host of the network'), ('tool', 'every call of the tool')], help_text='what of a call the pattern is compared with', max_length=10)),
                ('pattern', models.CharField(blank=True, help_text='program: its words, * for any one, … at the end for any further (“systemctl restart nginx”, “npm run …”); path: a folder or file and all below it; host: a name, *.name for those below it, after the methods if others than GET and HEAD are meant (“POST api.example.com”)', max_length=500)),
                ('arguments', models.JSONField(blank=True, help_text='for exact arguments: all of them', null=True)),
                ('scope', models.CharField(choices=[('everywhere', 'Everywhere'), ('thread', 'Thread'), ('job', 'Job'), ('person', 'Person')], default='everywhere', max_length=10)),
                ('scope_ref', models.CharField(blank=True, help_text='thread:3, job:12 or person:4; empty: everywhere', max_length=40)),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('max_uses', models.PositiveIntegerField(blank=True, help_text='empty: any number of times', null=True)),
                ('uses', models.PositiveIntegerField(default=0)),
                ('origin', models.CharField(choices=[('seeded', 'Seeded'), ('owner', 'Owner'), ('standing', 'Standing')], default='owner', max_length=10)),
                ('active', models.BooleanField(default=True)),
                ('reason', models.TextField(blank=True, help_text='shown to whoever asks why')),
                ('created_by', models.CharField(blank=True, max_length=60)),
                ('created_at', models.DateTimeField(auto_now_add=True)),
                ('revoked_at', models.DateTimeField(blank=True, null=True)),
                ('revoked_by', models.CharField(blank=True, max_length=60)),
            ],
            options={
                'indexes': [models.Index(condition=models.Q(('active', True)), fields=['id'], name='tool_rule_active')],
                'constraints': [models.CheckConstraint(condition=models.Q(('max_uses__isnull', True), ('uses__lte', models.F('max_uses')), _connector='OR'), name='tool_rule_uses_within_bounds'), models.CheckConstraint(condition=models.Q(models.Q(('scope', 'everywhere'), ('scope_ref', '')), models.Q(models.Q(('scope', 'everywhere'), _negated=True), models.Q(('scope_ref', ''), _negated=True)), _connector='OR'), name='tool_rule_scope_has_its_label'), models.CheckConstraint(condition=models.Q(models.Q(('origin', 'standing'), _negated=True), ('expires_at__isnull', False), _connector='OR'), name='tool_rule_standing_expires'), models.UniqueConstraint(condition=models.Q(('match', 'builtin')), fields=('pattern',), name='tool_rule_one_row_a_builtin')],
            },
        ),
        migrations.RunPython(seed, migrations.RunPython.noop),
    ]
