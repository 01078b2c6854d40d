from setuptools import find_packages, setup

PACKAGE = "vnb_grasp"

setup(
    name=PACKAGE,
    version="0.1.0",
    packages=find_packages(exclude=["test"]),
    package_data={"": ["py.typed", "**/*.yaml", "**/*.json", "**/*.pt", "**/*.npz", "**/*.xml", "**/*.html"]},
    data_files=[
        ("share/ament_index/resource_index/packages", ["resource/" + PACKAGE]),
        ("share/" + PACKAGE, ["package.xml"]),
    ],
    install_requires=["setuptools"],
    zip_safe=False,
    maintainer="VNB maintainers",
    maintainer_email="maintainers@vnb.invalid",
    description="Grasp mechanics without ROS: frames, hands and objects as data, kinematics, contacts, grasp quality.",
    license="Apache-2.0",
)
