"""Words of the fakes: common names, invented companies, reserved domains and numbers.

Domains are reserved for examples (RFC 2606) and numbers for fiction where a country has such a
range, so no message to a fake ever reaches a person.
"""

from __future__ import annotations

FIRST_NAMES = tuple(
    """
    Aarav Adaeze Agnieszka Ahmed Aiko Alejandro Amara Amelia Ana Anders Andrea Anya Arjun Astrid
    Ayesha Beatriz Benjamin Bruno Camila Carlos Charlotte Chen Chiara Chloé Claire Daniel David
    Diego Dmitri Elena Eleni Elif Emma Erik Fatima Felix Fernanda Finn Florence François Freya
    Gabriel Giulia Grace Greta Hana Hannah Haruto Hugo Ibrahim Ingrid Isabella Ivan Jakub James
    Jasmine Javier Jonas José Julia Kaito Karim Katarzyna Kenji Khadija Kwame Lars Laura Layla
    Leila Leo Liam Linh Lucas Lucía Lukas Luna Maja Malik Marco Maria Mateo Maya Mehmet Mei Mia
    Miguel Milan Mohammed Nadia Naomi Nia Nikolai Noah Noor Nora Olga Oliver Olivia Omar Oscar
    Paula Pedro Petra Priya Rafael Rania Ravi Rosa Ryan Saanvi Samuel Sara Sebastian Sean Selin
    Sofia Sophie Stefan Sven Tadeo Takumi Tariq Thandiwe Theo Tomás Uma Valentina Victor Wanjiru
    William Xiomara Yara Yuki Yusuf Zainab Zoe
    """.split()  # noqa: SIM905  (a list of quoted words is hard to read)
)
LAST_NAMES = tuple(
    """
    Abebe Adeyemi Ahmed Ali Almeida Andersen Andersson Bakker Bauer Becker Bernard Bianchi Brown
    Campbell Carvalho Castillo Chen Cohen Costa Cruz Dahl Davies Diallo Díaz Dubois Eriksen
    Evans Fernández Ferrari Fischer Flores García Gómez González Green Gupta Gutiérrez Haddad
    Hansen Harris Hassan Hernández Hoffmann Huang Hussein Ito Ivanova Jackson Jansen Jensen
    Johansson Johnson Jones Kamau Kang Kato Kaya Khan Kim Kobayashi Kowalski Kumar Laurent Lee
    Lewis Li Lind López Martin Martínez Mendoza Meyer Mitchell Moreau Moreno Morris Müller
    Mwangi Nakamura Nguyen Nielsen Novák Nowak O'Brien Okafor Okoye Oliveira Ortiz Osei
    Papadopoulos Park Patel Peeters Pereira Petrov Petrova Popescu Quinn Rahman Ramírez Ramos
    Rivera Roberts Rodrigues Romano Rossi Ruiz Sánchez Santos Sato Schmidt Schneider Schulz Shah
    Sharma Silva Singh Smith Sokolov Suzuki Tan Tanaka Taylor Thomas Torres Tran Turner Van-Dijk
    Vargas Virtanen Wagner Walker Wang Watanabe Weber White Williams Wilson Wong Wójcik Wright
    Yamamoto Yilmaz Young Zhang Zimmermann
    """.split()  # noqa: SIM905  (a list of quoted words is hard to read)
)
COMPANY_FIRST = tuple(
    """
    Alder Amber Anchor Aspen Atlas Beacon Birch Blue Bright Cedar Cinder Clear Cobalt Copper
    Coral Crescent Delta Drift Eastgate Ember Falcon Fern Flint Foundry Garnet Glacier Granite
    Harbor Hazel Helix Heron Horizon Indigo Iron Ivory Juniper Kestrel Keystone Lantern Lark
    Lumen Maple Meridian Mesa Mill Nimbus North Oak Onyx Orchard Osprey Pebble Pine Prairie
    Quarry Quill Ridge River Rowan Saffron Sage Sierra Silver Slate Solstice Sparrow Summit
    Tandem Terrace Thistle Tidewater Timber Topaz Vale Verdant Violet Walnut West Willow Wren
    Zephyr
    """.split()  # noqa: SIM905  (a list of quoted words is hard to read)
)
COMPANY_SECOND = tuple(
    """
    Analytics Automation Bakery Biotech Capital Clinic Cloud Coffee Collective Components
    Consulting Construction Data Dental Design Digital Dynamics Education Electronics Energy
    Engineering Farms Fitness Foods Freight Furniture Games Health Hotels Insurance Interiors
    Labs Legal Logistics Media Mobility Optics Partners Pharma Press Printing Robotics Security
    Software Solar Sports Studio Supply Systems Textiles Tools Travel Ventures Water Works
    """.split()  # noqa: SIM905  (a list of quoted words is hard to read)
)
MAIL_DOMAINS = ("example.com", "example.net", "example.org")
# Ranges kept for drama: Ofcom (UK), NANPA 555-01xx, ACMA (Australia), Arcep (France).
PHONE_RANGES = (
    ("+447700900", 3),
    ("+120255501", 2),
    ("+141555501", 2),
    ("+61491570", 3),
    ("+3319900", 4),
    ("+442079460", 3),
)
